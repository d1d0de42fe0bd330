{#- The two sides of a row-against-row macro: {info, query_info, infos}; query_info is none for a relation with itself. -#}
{% macro _two_sides(macro, relation, queries, key, embedding, queries_key, queries_embedding) %}
    {% set info = samespace._as_relation(relation, macro, key=key, embedding=embedding) %}
    {% set query_info = samespace._as_relation(queries, macro, key=queries_key, embedding=queries_embedding) if queries is not none else none %}
    {% set held = samespace._held_ids(macro, info) %}
    {% for side in [info, query_info] | reject('none') %}{{ samespace._say_no_key(macro, side) }}{% endfor %}
    {% if query_info is not none %}
        {% set asked = samespace._held_ids(macro, query_info) %}
        {% set held_ids, asked_ids = held.keys() | reject('none') | list, asked.keys() | reject('none') | list %}
        {% set name = "'" ~ query_info.title ~ "'" %}
        {{ samespace.assert_one_space(macro, info.title, info.model_ids, name, query_info.model_ids) }}
        {{ samespace.assert_one_space(macro, info.title, held_ids, name, asked_ids) }}
        {% if held and asked %}
            {{ samespace._say_other_spaces(macro, info, held, asked_ids) }}
            {{ samespace._say_other_spaces(macro, query_info, asked, held_ids) }}
        {% endif %}
    {% else %}
        {{ samespace._say_other_spaces(macro, info, held, held.keys() | reject('none') | list) }}
    {% endif %}
    {{ return({'info': info, 'query_info': query_info, 'infos': [info] if query_info is none else [info, query_info]}) }}
{% endmacro %}


{#- CTEs of the SQL method: __samespace_rows and __samespace_queries (key, model_id, embedding, ordinal), __samespace_guard. -#}
{% macro _sides_sql(macro, sides, where) %}
{% set sql %}
with __samespace_rows as (
    {{ samespace._usable_rows(sides.info, where) }}
),

__samespace_queries as (
    {{ samespace._usable_rows(sides.query_info) if sides.query_info else 'select * from __samespace_rows' }}
),

__samespace_guard as (
    {{ samespace._sides_guard(macro, sides) }}
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{% macro _usable_rows(info, where=none) %}
{% set sql %}
select
        {{ info.key_sql }} as key,
        {{ info.model_id_sql }} as model_id,
        {{ info.embedding_sql }} as embedding,
        row_number() over (order by {{ samespace._row_order(info) }}) as ordinal
    from {{ info.sql }}
    where {{ samespace.usable_vector(info.embedding_sql) }}{{ ' and (' ~ where ~ '\n)' if where else '' }}
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- SQL of the order of rows: by key, then by model_id. `alias` ends in a dot where there is one. -#}
{% macro _row_order(info, alias='') %}
    {{ return(samespace.sort_key(alias ~ info.key_sql, info.key_type) ~ ', ' ~ samespace.sort_key(alias ~ info.model_id_sql, 'text')) }}
{% endmacro %}


{#- SQL of one row, `passed`: stops where both relations have rows and share no space. -#}
{% macro _sides_guard(macro, sides) %}
{% if sides.query_info is none %}
    {{ return('select true as passed') }}
{% endif %}
{% set message = samespace._different_spaces_sql(macro, sides.info.title, 'held', "'" ~ sides.query_info.title ~ "'", 'asked') %}
{% set sql %}
select {{ samespace._stop_if([['held is not null and asked is not null and same = 0', message]]) }} as passed
    from (
        select
            (select string_agg(coalesce(model_id, 'NULL'), ', ' order by {{ samespace.sort_key('model_id', 'text') }}) from __samespace_held) as held,
            (select string_agg(coalesce(model_id, 'NULL'), ', ' order by {{ samespace.sort_key('model_id', 'text') }}) from __samespace_asked) as asked,
            (
                select count(*)
                from __samespace_held as h
                inner join __samespace_asked as a on {{ samespace.same_space('h.model_id', 'a.model_id') }}
            ) as same
    ) as ids
{%- endset %}
{{ return('with __samespace_held as (select distinct ' ~ sides.info.model_id_sql ~ ' as model_id from ' ~ sides.info.sql
    ~ '), __samespace_asked as (select distinct ' ~ sides.query_info.model_id_sql ~ ' as model_id from ' ~ sides.query_info.sql ~ ')\n    ' ~ sql) }}
{% endmacro %}


{#- The join predicate of the SQL method over the aliases q and n: one space, and no row with itself. -#}
{% macro _meets(sides) %}
    {{ return(samespace.same_space('n.model_id', 'q.model_id') ~ ('' if sides.query_info else ' and n.key <> q.key')) }}
{% endmacro %}


{#- The last column(s) of a result: model_id of the neighbour, and of the query where two ids may meet. -#}
{% macro _neighbour_model_ids(neighbour, query) %}
    {{ return(neighbour ~ '.model_id' ~ (',\n        ' ~ query ~ '.model_id as query_model_id' if samespace._declares_spaces() else '')) }}
{% endmacro %}


{#- CTEs of the kernel method: what it found, and the keys of both sides by ordinal, __samespace_rows and __samespace_queries. -#}
{% macro _kernel_ctes(kernel, sides, where, more) %}
{% set request = {
    'macro': kernel, 'title': sides.info.title, 'select': samespace._kernel_rows(sides.info, where),
    'queries': samespace._kernel_rows(sides.query_info) if sides.query_info else none,
    'state': samespace.rows_state(sides.infos),
} %}
{% set sql %}
with __samespace_found as (
    select * from {{ samespace.run_kernel(kernel, dict(request, **more)) }} as found
),

__samespace_rows as ({{ samespace._kernel_keys(sides.info) }}
),

__samespace_queries as ({{ samespace._kernel_keys(sides.query_info) if sides.query_info else '\n    select * from __samespace_rows' }}
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}
