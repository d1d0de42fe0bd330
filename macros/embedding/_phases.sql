{#-
    Phase A as one step: {columns, types, held, counts, rebuild}; `types` are those of the stage and `held` those of the
    table, by column. Runs again where the connection, and the stage with it, was lost.
-#}
{% macro _staged(title, options, existing, contract, source_sql) %}
    {% do samespace._stage(title, options, source_sql) %}
    {% set columns, types = [], {} %}
    {% for column in adapter.get_columns_in_relation(samespace._temp_relation('__samespace_stage')) %}
        {% do types.update({column.name | lower: column.data_type}) %}
        {% if column.name != 'content_hash' %}{% do columns.append(column.name) %}{% endif %}
    {% endfor %}
    {% if contract %}{% do get_assert_columns_equivalent(samespace._shape_select(columns, options)) %}{% endif %}
    {% set counts = samespace._stage_counts(title, options, existing) %}
    {% set held = {} if existing is none else samespace._types_of(existing) %}
    {{ return({'columns': columns, 'types': types, 'held': held, 'counts': counts,
               'rebuild': samespace._must_rebuild(existing, options, held, types)
                          or samespace._cells_due(title, options, existing, columns, held, counts)}) }}
{% endmacro %}


{#-
    Whether the table is built anew beside the old one and swapped in: first run, --full-refresh, a view in its place,
    another vector type, another key type (keys of two types do not meet), or another role (the same model_id and hash,
    but other vectors).
-#}
{% macro _must_rebuild(existing, options, held, staged) %}
    {% if existing is none or not existing.is_table or should_full_refresh() %}
        {{ return(true) }}
    {% endif %}
    {% set expected = samespace.vector_type(options.specs[0].dimension, options.storage) %}
    {{ return(held.get('embedding') != expected or 'model_id' not in held or 'content_hash' not in held
              or samespace._key_type(staged[options.key | lower]) != samespace._key_type(held.get(options.key | lower))
              or not samespace._holds_role(existing, options)) }}
{% endmacro %}


{#- The type of a key as far as it matters for joins: a contract may store as varchar(20) what the select returns as text. -#}
{% macro _key_type(type) %}
    {{ return('text' if (type or '').split('(')[0] | lower in ['text', 'varchar', 'character varying'] else type) }}
{% endmacro %}


{#-
    Build beside the old table, then put it in its place. `replaced` receives what to drop after the commit. Indexes are
    built before the swap, which locks readers out, unless the engine renames no table that has some.
-#}
{% macro _swap(existing, target_relation, columns, final_select, options, replaced) %}
    {% set first = existing is none %}
    {% set changes = samespace._count_changes(options, none) if first else samespace._count_gone(existing, options) %}
    {% set built = target_relation if first else make_intermediate_relation(target_relation) %}
    {% if not first %}{% do drop_relation_if_exists(load_cached_relation(built)) %}{% endif %}
    {% do samespace.build_table(built, final_select, samespace._stored_names(columns, options), options) %}
    {% set indexed_first = first or samespace.renames_indexed_tables() %}
    {% if indexed_first %}{% do samespace._finish_table(built, options) %}{% endif %}
    {% if not first %}{% do samespace.replace_relation(existing, built, target_relation, replaced) %}{% endif %}
    {% if not indexed_first %}{% do samespace._finish_table(target_relation, options) %}{% endif %}
    {{ return(changes) }}
{% endmacro %}


{% macro _finish_table(relation, options) %}
    {% do create_indexes(relation) %}
    {% do samespace.vector_index(relation, options) %}
{% endmacro %}


{#- Rows that a rebuilt table loses, where the old one had the same key column: keys gone, and models no longer named. -#}
{% macro _count_gone(existing, options) %}
    {% set names = samespace._types_of(existing) %}
    {% if options.key | lower not in names or 'model_id' not in names %}
        {{ return(samespace._count_changes(options, none)) }}
    {% endif %}
    {% set k, ids = samespace._quote(options.key), [] %}
    {% for spec in options.specs %}{% do ids.append(samespace.string_literal(spec.model_id)) %}{% endfor %}
    {{ return(samespace._count_changes(options,
        "select _old.model_id, 'remove', count(*) from " ~ existing ~ ' as _old where _old.model_id not in (' ~ (ids | join(', '))
        ~ ') or not exists (select 1 from __samespace_stage as _new where cast(_new.' ~ k ~ ' as varchar) = cast(_old.' ~ k
        ~ ' as varchar)) group by 1')) }}
{% endmacro %}


{#- on_schema_change for a table that stays: the user's columns that are merged. Brings `staged.held` up to date. -#}
{% macro _apply_schema_changes(title, on_schema_change, options, existing, columns, contract, staged) %}
    {% set held = staged.held.keys() | list %}
    {% if on_schema_change == 'ignore' %}
        {% set lowered = columns | map('lower') | list %}
        {% set lost = held | reject('in', lowered + samespace._own_columns()) | list %}
        {% if lost %}
            {{ samespace._raise('embedding', 'the select of ' ~ title ~ ' no longer has the column(s) ' ~ (lost | join(', '))
                ~ ', which the table holds. The table is as it was. Put them back, set on_schema_change: sync_all_columns, or run with '
                ~ '--full-refresh (vectors come from the cache).') }}
        {% endif %}
        {{ return(columns | select('in', samespace._same_names(columns, held)) | list) }}
    {% endif %}
    {#- The table has the types of its contract: those of the select would change them on every run (text, varchar). -#}
    {% set shape = get_empty_schema_sql(model['columns']) if contract else samespace._shape_select(columns, options) %}
    {% call statement('samespace_shape') %}
        {{ samespace.create_temp_table('__samespace_shape', samespace._with_cell(shape ~ ' where 1 = 0', options)) }}
    {% endcall %}
    {% do process_schema_changes(on_schema_change, samespace._temp_relation('__samespace_shape'), existing) %}
    {% do staged.update({'held': samespace._types_of(existing)}) %}
    {{ return(columns) }}
{% endmacro %}


{% macro _same_names(columns, lowered) %}
    {% set names = [] %}
    {% for column in columns if column | lower in lowered %}{% do names.append(column) %}{% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- Every text must have met its vector: a cache emptied while the run was under way must not become NULLs. -#}
{% macro _check_complete(title, options, outcome) %}
    {% for spec in options.specs %}
        {% set lost = run_query('select count(*) from __samespace_stage as s where s.content_hash is not null and not exists (select 1 from '
            ~ outcome[spec.model_id].cache ~ ' as c where c.content_hash = s.content_hash and c.role = '
            ~ samespace.string_literal(samespace._cache_role(spec, options.role)) ~ ')').rows[0][0] | int %}
        {% if lost %}
            {{ samespace._raise('embedding', lost ~ ' rows of ' ~ title ~ ' have no vector of ' ~ spec.model_id
                ~ ': the cache changed while the run was under way. The table is as it was; run again.') }}
        {% endif %}
    {% endfor %}
{% endmacro %}


{% macro _report_truncated(title, options, outcome, truncated) %}
    {% for spec in options.specs if truncated[spec.model_id] %}
        {% set window = spec.identity.get('max_seq_length') %}
        {% do samespace._say('embedding', samespace._count(truncated[spec.model_id], 'of ')
            ~ '{:,}'.format(outcome[spec.model_id].distinct_texts | int) ~ ' texts of ' ~ title ~ ' were cut'
            ~ (' at ' ~ window ~ ' tokens' if window else ' at the window of ' ~ spec.model_id)
            ~ '. Their ends are not part of their vectors.') %}
    {% endfor %}
{% endmacro %}


{% macro _drop_temp_tables() %}
    {% call statement('samespace_drop', auto_begin=false) %}
        {% for name in ['stage', 'delta', 'shape', 'outcome', 'pending', 'cells', 'centroids', 'cell_facts'] %}drop table if exists __samespace_{{ name }};{% endfor %}
    {% endcall %}
{% endmacro %}
