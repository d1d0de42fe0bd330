{% macro _check_search(query, query_vector, query_model, query_key, k, where, model) %}
    {% set forms = [query, query_vector, query_key] | reject('none') | list | length %}
    {% if forms != 1 %}
        {{ samespace._raise('search', 'got ' ~ forms ~ ' queries; expected exactly one of query=<text>, query_vector=<SQL> '
            ~ 'with query_model=, and query_key=<key of a row>') }}
    {% elif (query_vector is none) != (query_model is none) %}
        {{ samespace._raise('search', 'a bare vector never travels alone: query_vector= and query_model=<the model it comes from> '
            ~ 'go together') }}
    {% elif query_vector is not none and model is not none %}
        {{ samespace._raise('search', 'model= chooses the model of a text or of a key; with query_vector=, query_model= says it') }}
    {% endif %}
    {{ samespace._check_args('search', [
        {'name': 'k', 'value': k, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
        {'name': 'query_vector', 'value': query_vector, 'rule': 'optional_text'},
    ]) }}
{% endmacro %}


{#- The query as {sql, id, id_sql, others, problems}: a text or a vector, whose model_id is known while rendering. -#}
{% macro _query_by_vector(info, held, query, query_vector, model) %}
    {% if query is not none %}
        {% set spec = samespace._text_model(info, model) %}
        {# Before the text is embedded: a refused search loads and registers nothing. #}
        {{ samespace._check_space('search', info, held, spec.model_id) }}
        {% set id, dimension, vector = spec.model_id, spec.dimension, samespace._query_vector(spec.name, query, 'search') %}
    {% else %}
        {% set id = samespace._id_of(model, 'search') %}
        {% set dimension = samespace._known_dimension([id]) or info.dimension %}
        {% set bare = '(' ~ query_vector ~ ')' %}
        {% set vector = samespace.to_vector(bare, dimension) if dimension else samespace._pgvector(bare) if samespace._is_pgvector(info.vector_type) else bare %}
    {% endif %}
    {% set missing = "samespace.search: the query vector is NULL, zero, or holds NaN or infinity" %}
    {{ return({
        'id': id, 'id_sql': samespace.string_literal(id), 'others': none, 'type': 'vector' if samespace._is_pgvector(info.vector_type) else none,
        'sql': 'select\n        ' ~ vector ~ ' as embedding,\n        ' ~ samespace.string_literal(id) ~ ' as model_id',
        'problems': [['usable = 0', samespace.string_literal(missing)]],
    }) }}
{% endmacro %}


{#- The same for the row with a key. Keys compare as text, so 4711 and '4711' are one key. -#}
{% macro _query_by_key(info, held, query_key, model) %}
    {% set literal = samespace.string_literal(query_key) %}
    {% set given = samespace._id_of(model, 'search') if model is not none else none %}
    {% if given is not none %}
        {{ samespace._check_space('search', info, held, given) }}
    {% else %}
        {{ samespace._ask_for_model(info, held.keys() | reject('none') | list or info.model_ids) }}
    {% endif %}
    {#- A literal is a filter, an id that only the row knows is a join. Rows cannot change before a statement that runs now. -#}
    {% set id = held.keys() | first if given is none and held | length == 1 and samespace._runs_now() else given %}
    {% set number = samespace._whole_number(info, query_key) %}
    {% set is_key = info.key_sql ~ ' = ' ~ number if number else 'cast(' ~ info.key_sql ~ ' as varchar) = ' ~ literal %}
    {% set is_model = ' and ' ~ samespace.exact_text(info.model_id_sql) ~ ' = ' ~ samespace.string_literal(id) if id else '' %}
    {% set who = "samespace.search: '" ~ info.title ~ "' " %}
    {{ return({
        'id': id, 'id_sql': samespace.string_literal(id) if id else '(select max(model_id) from __samespace_query)',
        'type': info.vector_type, 'others': 'r.' ~ info.key_sql ~ ' <> ' ~ number if number else 'cast(r.' ~ info.key_sql ~ ' as varchar) <> ' ~ literal,
        'sql': 'select ' ~ info.embedding_sql ~ ' as embedding, ' ~ info.model_id_sql ~ ' as model_id from ' ~ info.sql
            ~ ' where ' ~ is_key ~ is_model,
        'problems': [
            ['held > 0 and vectors = 0', samespace.string_literal(who ~ 'has no row with ' ~ info.key ~ ' = ' ~ query_key
                ~ (' and model_id ' ~ given if given else ''))],
            ['vectors > 1', samespace.string_literal(who ~ 'holds several vectors for ' ~ info.key ~ ' = ' ~ query_key
                ~ '. Pass model=<the model to compare under>.')],
            ['vectors = 1 and usable = 0', samespace.string_literal(who ~ 'has no usable vector for ' ~ info.key ~ ' = ' ~ query_key)],
        ],
    }) }}
{% endmacro %}


{#- Whether the statement being rendered is run at once, by dbt: a view is run later, by anybody. -#}
{% macro _runs_now() %}
    {% set materialized = (model | default({})).get('config', {}).get('materialized') %}
    {{ return(flags.WHICH == 'show' or (flags.WHICH in ['run', 'build', 'retry'] and materialized in ['table', 'incremental'])) }}
{% endmacro %}


{#- The key as SQL of a number where the column holds whole numbers and the text is how one is written; else none. The same
    comparison without a cast of every row, and an index on the key serves it. -#}
{% macro _whole_number(info, query_key) %}
    {% set whole = info.key_type in ['smallint', 'integer', 'bigint', 'int', 'int2', 'int4', 'int8'] %}
    {{ return(query_key | string if whole and modules.re.match('^(0|-?[1-9][0-9]{0,17})$', query_key | string) else none) }}
{% endmacro %}


{#- The spec that embeds a query text: the named one, else the only one whose vectors the relation holds. -#}
{% macro _text_model(info, model) %}
    {% if model is not none %}
        {{ return(samespace._spec(model, 'search')) }}
    {% endif %}
    {{ samespace._ask_for_model(info, info.model_ids) }}
    {% set specs = samespace._specs().values() | selectattr('model_id', 'in', info.model_ids) | list %}
    {% if specs %}
        {{ return((specs | selectattr('same_space_as', 'none') | list or specs)[0]) }}
    {% elif info.model_ids %}
        {{ samespace._raise('search', "'" ~ info.title ~ "' holds " ~ (info.model_ids | join(', ')) ~ ', and the models of the var '
            ~ 'samespace_models make ' ~ (samespace._specs().values() | map(attribute='model_id') | join(', '))
            ~ '. They are different spaces. Re-embed the relation, or restore the spec.') }}
    {% else %}
        {{ samespace._raise('search', "nothing is known about the model that embedded '" ~ info.title ~ "'. Pass model=<its name>; "
            ~ 'known models: ' ~ (samespace._model_names() | join(', '))) }}
    {% endif %}
    {{ return({'name': samespace._model_names() | first, 'model_id': 'unknown@00000000'}) }}
{% endmacro %}


{% macro _ask_for_model(info, ids) %}
    {% set spaces = [] %}
    {% for id in ids %}{% do spaces.append(samespace._space_of_id(id)) %}{% endfor %}
    {% if spaces | unique | list | length > 1 %}
        {% set names = [] %}
        {% for id in ids %}{% do names.append(id.split('@')[0]) %}{% endfor %}
        {{ samespace._raise('search', "'" ~ info.title ~ "' holds several spaces: " ~ (ids | join(', ')) ~ '. Pass model=<one of '
            ~ (names | unique | join(', ')) ~ '>.') }}
    {% endif %}
{% endmacro %}
