{#-
    The `embedding` materialization. Three phases on the model's own connection: (A) stage and check, commit;
    (B) the pump fills the cache page by page, outside any transaction; (C) one transaction swaps or merges the table.
    Whatever happens in B leaves the table as it was and keeps every page already embedded.
-#}
{% materialization embedding, default %}
    {%- set title = this.identifier -%}
    {%- set options = samespace._embedding_options(title) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') -%}
    {%- set contract = config.get('contract').enforced -%}
    {%- set untouched = existing is not none and flags.EMPTY -%}
    {%- set sampled = invocation_args_dict.get('sample') is not none -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% do samespace._stage(title, options, compiled_code) %}
    {% set columns = samespace._staged_columns() %}
    {% if contract %}{% do get_assert_columns_equivalent(samespace._shape_select(columns, options)) %}{% endif %}
    {% set counts = samespace._stage_counts(title, options, existing) %}
    {% set rebuild = samespace._must_rebuild(existing, options) %}
    {% do adapter.commit() %}

    {% call statement('samespace_fill', language='python') %}
        {{- samespace._fill_job(title, options, none if rebuild else existing) -}}
    {% endcall %}
    {% set outcome = samespace._fill_outcome(title) %}

    {% set final_select = samespace._final_select(columns, options, outcome) %}
    {% set replaced = [] %}
    {% if untouched %}
        {% set changes = samespace._count_changes(options, none) %}
    {% elif rebuild %}
        {% set changes = samespace._swap(existing, target_relation, final_select, options, replaced) %}
    {% else %}
        {% if contract and on_schema_change == 'ignore' %}{% set on_schema_change = 'sync_all_columns' %}{% endif %}
        {% set columns = samespace._apply_schema_changes(title, on_schema_change, options, existing, columns) %}
        {% set changes = samespace._find_changes(existing, options.key, columns, options, sampled) %}
        {% for sql in samespace._merge(existing, options.key, columns, options, outcome, changes) %}
            {% call statement('samespace_merge') %}{{ sql }}{% endcall %}
        {% endfor %}
    {% endif %}
    {% do samespace._check_complete(title, options, outcome) %}
    {% set truncated = samespace._truncated(options, outcome) %}
    {% do samespace._report_truncated(title, options, outcome, truncated) %}
    {% set held = run_query('select count(*) from ' ~ target_relation).rows[0][0] %}
    {% if not untouched %}{% do samespace._record_relation(target_relation, options, held) %}{% endif %}
    {% do samespace._record_run(target_relation, options, outcome, counts, changes, truncated) %}

    {% if rebuild and not untouched %}{% do create_indexes(target_relation) %}{% endif %}
    {% do samespace.vector_index(target_relation, options) %}
    {% do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=rebuild)) %}
    {% do persist_docs(target_relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}

    {% for relation in replaced %}{% do adapter.drop_relation(relation) %}{% endfor %}
    {% do samespace._drop_temp_tables() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {% do store_raw_result('main', message=samespace._result_line(options, outcome, counts, changes, truncated), code='EMBED', rows_affected=held | int) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
