{#-
    What differs between the stage and the table, in __samespace_delta: 'insert' and 'embed' rows need a vector,
    'update' rows differ in other columns only, 'remove' rows (whose columns are NULL) are gone from the select, and
    deleted by _merge. One join of both sides finds them all; vectors are not read. `staged` is what _staged returns.
-#}
{% macro _find_changes(existing, key, columns, options, keep_gone, staged) %}
    {% set k = samespace._quote(key) %}
    {% set ids = [] %}
    {% for spec in options.specs %}{% do ids.append('(' ~ samespace.string_literal(spec.model_id) ~ ')') %}{% endfor %}
    {% set different = ['_old.' ~ k ~ ' is null', '_new.' ~ k ~ ' is null', '_old.content_hash is distinct from _new.content_hash'] %}
    {% for column in columns %}
        {% set name, type = samespace._quote(column), staged.held[column | lower] %}
        {% set new = '_new.' ~ name if staged.types[column | lower] == type else 'cast(_new.' ~ name ~ ' as ' ~ type ~ ')' %}
        {% do different.append(samespace.comparable('_old.' ~ name, type) ~ ' is distinct from ' ~ samespace.comparable(new, type)) %}
    {% endfor %}
    {% call statement('samespace_delta') %}
        {{ samespace.create_temp_table('__samespace_delta',
            'select ' ~ samespace._prefixed(columns, '_new') ~ ', _new.content_hash, coalesce(_new.model_id, _old.model_id) as model_id, '
            ~ 'case when _old.' ~ k ~ " is null then 'insert' when _new." ~ k ~ " is null then 'remove' "
            ~ "when _old.content_hash is distinct from _new.content_hash then 'embed' else 'update' end as __samespace_change "
            ~ 'from (select _stage.*, _model.model_id from __samespace_stage as _stage cross join (values ' ~ (ids | join(', '))
            ~ ') as _model(model_id)) as _new ' ~ ('left' if keep_gone else 'full') ~ ' join ' ~ existing
            ~ ' as _old on _old.' ~ k ~ ' = _new.' ~ k ~ ' and _old.model_id = _new.model_id '
            ~ 'where ' ~ (different | join(' or '))) }}
    {% endcall %}
    {{ return(samespace._count_changes(options, 'select model_id, __samespace_change, count(*) from __samespace_delta group by 1, 2')) }}
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
        ~ ") or coalesce(_old.model_id, '') not in (" ~ (ids | join(', ')) ~ '))') }}
{% endmacro %}
