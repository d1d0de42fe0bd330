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

    {% set phase = namespace(staged=none, outcome=none, kept={}) %}
    {% for attempt in range(samespace._attempts()) if phase.outcome is none %}
        {% set phase.staged = samespace._staged(title, options, existing, contract, compiled_code) %}
        {% do adapter.commit() %}
        {% call statement('samespace_fill', language='python') %}
            {{- samespace._fill_job(title, options, none if phase.staged.rebuild else existing) -}}
        {% endcall %}
        {% set phase.outcome = samespace._fill_outcome(title, attempt, phase.kept) %}
    {% endfor %}
    {% set columns, counts, rebuild, outcome = phase.staged.columns, phase.staged.counts, phase.staged.rebuild, phase.outcome %}

    {% set cells_job = samespace._train_job(title, target_relation, options, outcome, counts) if rebuild else none %}
    {% if cells_job %}
        {% call statement('samespace_cells', language='python') %}{{ cells_job }}{% endcall %}
        {% do samespace._cells_done(target_relation) %}
    {% endif %}
    {% set final_select = samespace._final_select(columns, options, outcome, samespace._cell_index(options, title) is not none) %}
    {% set replaced = [] %}
    {% if untouched %}
        {% set changes = samespace._count_changes(options, none) %}
    {% elif rebuild %}
        {% set changes = samespace._swap(existing, target_relation, columns, final_select, options, replaced) %}
    {% else %}
        {% if contract and on_schema_change == 'ignore' %}{% set on_schema_change = 'sync_all_columns' %}{% endif %}
        {% set columns = samespace._apply_schema_changes(title, on_schema_change, options, existing, columns, contract, phase.staged) %}
        {% set changes = samespace._find_changes(existing, options.key, columns, options, sampled, phase.staged) %}
        {% set cells_job = samespace._assign_job(title, target_relation, options, outcome, changes, phase.staged.held) %}
        {% if cells_job %}
            {% call statement('samespace_cells', language='python') %}{{ cells_job }}{% endcall %}
            {% do samespace._cells_done(target_relation) %}
        {% endif %}
        {% for sql in samespace._merge(existing, options.key, columns, options, outcome, changes, '__samespace_cell' in phase.staged.held) %}
            {% call statement('samespace_merge') %}{{ sql }}{% endcall %}
        {% endfor %}
    {% endif %}
    {% if rebuild or changes.inserted or changes.embedded %}{% do samespace._check_complete(title, options, outcome) %}{% endif %}
    {% set truncated = samespace._truncated(options, outcome) %}
    {% do samespace._report_truncated(title, options, outcome, truncated) %}
    {% set held = samespace._rows_held(target_relation, options, counts, untouched or sampled) %}
    {% if not untouched %}
        {% do samespace._record_relation(target_relation, options, held) %}
        {% do samespace._record_cells(target_relation, options, rebuild, changes, phase.staged.held) %}
    {% endif %}
    {% do samespace._record_run(target_relation, options, outcome, counts, changes, truncated) %}

    {% if not rebuild and not untouched %}{% do samespace.vector_index(target_relation, options) %}{% endif %}
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
