{#- SQL of the finished relation: the staged rows with model_id and embedding, one select per model. -#}
{% macro _final_select(columns, options, outcome) %}
    {% set selects = [] %}
    {% for spec in options.specs %}
        {% do selects.append(
            'select ' ~ samespace._prefixed(columns, '_new') ~ ', cast(' ~ samespace.string_literal(spec.model_id)
            ~ ' as varchar) as model_id, _new.content_hash, ' ~ samespace.to_vector('_cache.embedding', spec.dimension, options.storage)
            ~ ' as embedding from __samespace_stage as _new left join ' ~ outcome[spec.model_id].cache
            ~ ' as _cache on _cache.content_hash = _new.content_hash and _cache.role = '
            ~ samespace.string_literal(samespace._cache_role(spec, options.role))) %}
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
{% macro _stored_names(columns) %}
    {% set names = [] %}
    {% for column in columns %}{% do names.append(samespace._quote(column)) %}{% endfor %}
    {{ return(names + ['model_id', 'content_hash', 'embedding']) }}
{% endmacro %}


{#- One role where both prompts are equal, so that documents and queries share their vectors. Mirrors ModelSpec.cache_role. -#}
{% macro _cache_role(spec, role) %}
    {% set prompts = spec.identity.get('prompts') or {} %}
    {{ return(role if prompts.get('document', '') != prompts.get('query', '') else 'document') }}
{% endmacro %}


{#-
    What differs between the stage and the table, in __samespace_delta: 'insert' and 'embed' rows need a vector,
    'update' rows differ in other columns only. Rows gone from the select are counted here and deleted by _merge.
-#}
{% macro _find_changes(existing, key, columns, options, keep_gone) %}
    {% set k = samespace._quote(key) %}
    {% set ids = [] %}
    {% for spec in options.specs %}{% do ids.append('(' ~ samespace.string_literal(spec.model_id) ~ ')') %}{% endfor %}
    {% set different = ['_old.' ~ k ~ ' is null', '_old.content_hash is distinct from _new.content_hash'] %}
    {% set held = samespace._types_of(existing) %}
    {% set staged = samespace._types_of(samespace._temp_relation('__samespace_stage')) %}
    {% for column in columns %}
        {% set name, type = samespace._quote(column), held[column | lower] %}
        {% set new = '_new.' ~ name if staged[column | lower] == type else 'cast(_new.' ~ name ~ ' as ' ~ type ~ ')' %}
        {% do different.append(samespace.comparable('_old.' ~ name, type) ~ ' is distinct from ' ~ samespace.comparable(new, type)) %}
    {% endfor %}
    {% call statement('samespace_delta') %}
        {{ samespace.create_temp_table('__samespace_delta',
            'select _new.*, _model.model_id, case when _old.' ~ k ~ " is null then 'insert' "
            ~ "when _old.content_hash is distinct from _new.content_hash then 'embed' else 'update' end as __samespace_change "
            ~ 'from __samespace_stage as _new cross join (values ' ~ (ids | join(', ')) ~ ') as _model(model_id) '
            ~ 'left join ' ~ existing ~ ' as _old on _old.' ~ k ~ ' = _new.' ~ k ~ ' and _old.model_id = _model.model_id '
            ~ 'where ' ~ (different | join(' or '))) }}
    {% endcall %}
    {{ return(samespace._count_changes(options,
        'select model_id, __samespace_change, count(*) from __samespace_delta group by 1, 2' ~ ('' if keep_gone else
        " union all select _old.model_id, 'remove', count(*) from " ~ existing ~ ' as _old where '
        ~ samespace._is_gone(k, ids) ~ ' group by 1'))) }}
{% endmacro %}


{#- {column in lower case: its type} of a relation. Whole columns: the query form of this call splits a STRUCT into its fields. -#}
{% macro _types_of(relation) %}
    {% set types = {} %}
    {% for column in adapter.get_columns_in_relation(relation) %}{% do types.update({column.name | lower: column.data_type}) %}{% endfor %}
    {{ return(types) }}
{% endmacro %}


{% macro _temp_relation(name) %}
    {{ return(api.Relation.create(identifier=name, type='table')) }}
{% endmacro %}


{#- {inserted, embedded, updated, removed, by_model: {model_id: the same}} of a query of model_id, change, rows. -#}
{% macro _count_changes(options, query) %}
    {% set words = {'insert': 'inserted', 'embed': 'embedded', 'update': 'updated', 'remove': 'removed'} %}
    {% set none_yet = {'inserted': 0, 'embedded': 0, 'updated': 0, 'removed': 0} %}
    {% set total, by_model = dict(none_yet), {} %}
    {% for spec in options.specs %}{% do by_model.update({spec.model_id: dict(none_yet)}) %}{% endfor %}
    {% for row in (run_query(query).rows if query else []) %}
        {% set word, counts = words[row[1]], by_model.get(row[0], dict(none_yet)) %}
        {% do counts.update({word: counts[word] + row[2] | int}) %}
        {% do total.update({word: total[word] + row[2] | int}) %}
        {% do by_model.update({row[0]: counts}) %}
    {% endfor %}
    {{ return(dict(total, by_model=by_model)) }}
{% endmacro %}


{#- Aliases start with _ here and below: inside a subquery, a STRUCT column called like an alias would win. -#}
{% macro _is_gone(k, ids) %}
    {{ return('(not exists (select 1 from __samespace_stage as _new where _new.' ~ k ~ ' = _old.' ~ k
        ~ ') or _old.model_id not in (' ~ (ids | join(', ')) ~ '))') }}
{% endmacro %}


{#-
    Phase C for a table that stays: delete, update without touching vectors, replace changed texts, insert. A changed text
    is an update: deleting and inserting one key in one transaction fails on DuckDB where a unique index is.
-#}
{% macro _merge(existing, key, columns, options, outcome, changes) %}
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
    {% set vectors = samespace._final_select(columns, options, outcome) %}
    {% if changes.embedded %}
        {% do statements.append('update ' ~ existing ~ ' as _old set '
            ~ ((assignments + ['content_hash = _change.content_hash', 'embedding = _change.embedding']) | join(', '))
            ~ ' from (' ~ samespace._changed(vectors, k, 'embed') ~ ')' ~ matched) %}
    {% endif %}
    {% if changes.inserted %}
        {% do statements.append('insert into ' ~ existing ~ ' (' ~ (samespace._stored_names(columns) | join(', ')) ~ ') '
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
