{#-
    SQL of the finished relation: the staged rows with model_id and embedding, one select per model; with `cell`, the cell of
    each vector too, 0 where it has none yet.
-#}
{% macro _final_select(columns, options, outcome, cell=false) %}
    {% set selects = [] %}
    {% for spec in options.specs %}
        {% do selects.append(
            'select ' ~ samespace._prefixed(columns, '_new') ~ ', cast(' ~ samespace.string_literal(spec.model_id)
            ~ ' as varchar) as model_id, _new.content_hash, ' ~ samespace.to_vector('_cache.embedding', spec.dimension, options.storage)
            ~ ' as embedding' ~ (', case when _cache.embedding is not null then coalesce(_cells.cell, 0) end as __samespace_cell' if cell else '')
            ~ ' from __samespace_stage as _new left join ' ~ outcome[spec.model_id].cache
            ~ ' as _cache on _cache.content_hash = _new.content_hash and _cache.role = '
            ~ samespace.string_literal(samespace._cache_role(spec, options.role))
            ~ (' left join __samespace_cells as _cells on _cells.content_hash = _new.content_hash and _cells.model_id = '
               ~ samespace.string_literal(spec.model_id) if cell else '')) %}
    {% endfor %}
    {{ return(selects | join('\nunion all\n')) }}
{% endmacro %}


{#- The shape of that relation, known before there is any vector. -#}
{% macro _shape_select(columns, options) %}
    {{ return('select ' ~ samespace._prefixed(columns, '_new') ~ ', cast(null as varchar) as model_id, _new.content_hash, '
        ~ samespace.to_vector('null', options.specs[0].dimension, options.storage) ~ ' as embedding from __samespace_stage as _new') }}
{% endmacro %}


{% macro _prefixed(columns, alias) %}
    {% set names = [] %}
    {% for column in columns %}{% do names.append(alias ~ '.' ~ samespace._quote(column)) %}{% endfor %}
    {{ return(names | join(', ')) }}
{% endmacro %}


{#- Every column of the finished relation, quoted, in order. -#}
{% macro _stored_names(columns, options) %}
    {% set cell, names = samespace._cell_index(options, none) is not none, [] %}
    {% for column in columns %}{% do names.append(samespace._quote(column)) %}{% endfor %}
    {{ return(names + ['model_id', 'content_hash', 'embedding'] + (['__samespace_cell'] if cell else [])) }}
{% endmacro %}


{#- One role where both prompts are equal, so that documents and queries share their vectors. Mirrors ModelSpec.cache_role. -#}
{% macro _cache_role(spec, role) %}
    {% set prompts = spec.identity.get('prompts') or {} %}
    {{ return(role if prompts.get('document', '') != prompts.get('query', '') else 'document') }}
{% endmacro %}


{#-
    Phase C for a table that stays: delete, update without touching vectors, replace changed texts, insert. A changed text
    is an update: deleting and inserting one key in one transaction fails on DuckDB where a unique index is.
-#}
{% macro _merge(existing, key, columns, options, outcome, changes, cell=false) %}
    {% set k = samespace._quote(key) %}
    {% set statements, ids, assignments = [], [], [] %}
    {% for spec in options.specs %}{% do ids.append('(' ~ samespace.string_literal(spec.model_id) ~ ')') %}{% endfor %}
    {% for column in columns if column | lower != key | lower %}
        {% do assignments.append(samespace._quote(column) ~ ' = _change.' ~ samespace._quote(column)) %}
    {% endfor %}
    {% set matched = ' as _change where _old.' ~ k ~ ' = _change.' ~ k ~ ' and _old.model_id = _change.model_id' %}
    {% if changes.removed %}
        {% do statements.append('delete from ' ~ existing ~ ' as _old where ' ~ samespace._is_gone(k, ids)) %}
    {% endif %}
    {% if changes.updated and assignments %}
        {% do statements.append('update ' ~ existing ~ ' as _old set ' ~ (assignments | join(', '))
            ~ ' from __samespace_delta' ~ matched ~ " and _change.__samespace_change = 'update'") %}
    {% endif %}
    {% set vectors = samespace._final_select(columns, options, outcome, cell) %}
    {% if changes.embedded %}
        {% for name in ['content_hash', 'embedding'] + (['__samespace_cell'] if cell else []) %}
            {% do assignments.append(name ~ ' = _change.' ~ name) %}
        {% endfor %}
        {% do statements.append('update ' ~ existing ~ ' as _old set ' ~ (assignments | join(', '))
            ~ ' from (' ~ samespace._changed(vectors, k, 'embed') ~ ')' ~ matched) %}
    {% endif %}
    {% if changes.inserted %}
        {% do statements.append('insert into ' ~ existing ~ ' (' ~ (samespace._stored_names(columns, options) | join(', ')) ~ ') '
            ~ samespace._changed(vectors, k, 'insert')) %}
    {% endif %}
    {{ return(statements) }}
{% endmacro %}


{#- The finished rows of one kind of change. -#}
{% macro _changed(final_select, k, change) %}
    {{ return('select _row.* from (' ~ final_select ~ ') as _row where exists (select 1 from __samespace_delta as _change '
        ~ 'where _change.' ~ k ~ ' = _row.' ~ k ~ ' and _change.model_id = _row.model_id and _change.__samespace_change = '
        ~ samespace.string_literal(change) ~ ')') }}
{% endmacro %}
