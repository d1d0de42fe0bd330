{#-
    How an index may answer, as {index, ids, rest}: one branch per id, and whether the space has members without an index.
    None is the exact way: where samespace does not own the statement that runs, or where nothing is gained.
-#}
{% macro _index_plan(macro, info, ids, k, where, method) %}
    {% set obstacle, index = samespace._index_obstacle(info, k), none %}
    {% if method == 'exact' or not execute %}
        {{ return(none) }}
    {% elif not obstacle %}
        {% set index = samespace.usable_index(info, ids) %}
        {% if index is none %}
            {% set obstacle = 'it has no index of samespace for ' ~ (ids | join(', ')) %}
        {% elif where and not index.filters %}
            {% set index, obstacle = none, 'an index of pgvector before 0.8 cannot look further where a filter leaves rows out' %}
        {% endif %}
    {% endif %}
    {% if index is none %}
        {% if method == 'index' %}
            {% do samespace._say(macro, "method='index' looks at every row of '" ~ info.title ~ "': " ~ obstacle ~ '.') %}
        {% endif %}
        {{ return(none) }}
    {% endif %}
    {% do samespace._say(macro, "'" ~ info.title ~ "': nearest rows by its index, which may miss one of them"
        ~ (". method='exact' looks at every row." if method == 'auto' else '.')) %}
    {{ return({'index': index, 'ids': index.ids, 'rest': ids | reject('in', index.ids) | list | length > 0}) }}
{% endmacro %}


{#- Why no index is asked whatever the relation has, as a sentence, or ''. -#}
{% macro _index_obstacle(info, k) %}
    {% set materialized = (model | default({})).get('config', {}).get('materialized') %}
    {% if flags.WHICH != 'show' and (flags.WHICH not in ['run', 'build', 'retry'] or materialized not in ['table', 'incremental']) %}
        {{ return('an index answers only while dbt builds a table or an incremental model, or shows') }}
    {% elif info.inline %}
        {{ return('it is a CTE of a unit test or an ephemeral model') }}
    {% elif k + samespace._slack() > samespace._index_limit() %}
        {{ return('an index is asked for at most ' ~ (samespace._index_limit() - samespace._slack()) ~ ' rows') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#- The model_ids that a search may find: the members of the query's space; what the relation holds where only rows know it. -#}
{% macro _searched_ids(asked, held) %}
    {% set ids = [asked.id] if asked.id else held.keys() | reject('none') | list %}
    {% set spaces = [] %}
    {% for id in ids %}{% do spaces.append(samespace._space_of_id(id)) %}{% endfor %}
    {{ return((ids + samespace._specs().values() | selectattr('space', 'in', spaces) | map(attribute='model_id') | list) | unique | list) }}
{% endmacro %}


{#-
    CTEs that end in __samespace_near: the rows of the relation out of which a search by index picks. Where every branch of
    the index gave all the rows it was asked for, those; else the index knows too little (a filter, few rows, a query
    without a vector), and they are all rows: the exact search, with everything that it refuses.
-#}
{% macro _near_ctes(info, asked, k, where, plan) %}
{% set amount = k + samespace._slack() %}
{% set filtered = 'select * from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') %}
{% set query = '(select q.embedding from __samespace_query as q inner join __samespace_effort as e on e.applied limit 1)' %}
{% set ids = [] %}
{% for id in plan.ids %}{% do ids.append(samespace.string_literal(id)) %}{% endfor %}
{% set sql %}
__samespace_effort as (
    select {{ samespace.index_effort(amount, plan.index) }} as applied
),
{% for id in ids %}
__samespace_near_{{ loop.index }} as (
    select r.*
    from (
        {{ filtered }}
    ) as r
    where r.{{ info.model_id_sql }} = {{ id }}{{ ' and ' ~ asked.others if asked.others else '' }}
    order by {{ samespace.index_distance('r.' ~ info.embedding_sql, query, plan.index) }}
    limit {{ amount }}
),
{% endfor %}
__samespace_answer as (
    select
        (select count(*) = 1 and bool_and({{ samespace.usable_vector('embedding') }}) from __samespace_query)
        {%- for id in ids %}
        and (select count(*) from __samespace_near_{{ loop.index }}) = {{ amount }}
        {%- endfor %}
        {%- if not asked.id %}
        and coalesce({{ samespace.same_space(asked.id_sql, ids[0]) }}, false)
        {%- endif %} as complete
),

__samespace_near as (
    {%- for id in ids %}
    select * from __samespace_near_{{ loop.index }} where (select complete from __samespace_answer)
    union all
    {%- endfor %}
    {%- if plan.rest %}
    select r.*
    from (
        {{ filtered }}
    ) as r
    where (select complete from __samespace_answer) and {{ samespace.exact_text('r.' ~ info.model_id_sql) }} not in ({{ ids | join(', ') }})
        and {{ samespace.same_space('r.' ~ info.model_id_sql, asked.id_sql) }}
    union all
    {%- endif %}
    select r.*
    from (
        {{ filtered }}
    ) as r
    where not (select complete from __samespace_answer)
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}
