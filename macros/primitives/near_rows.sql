{#- CTEs that end in __samespace_near: the rows of the relation out of which a search by index picks. -#}
{% macro _near_ctes(info, asked, k, where, plan) %}
    {{ return(adapter.dispatch('near_ctes', 'samespace')(info, asked, k, where, plan)) }}
{% endmacro %}

{% macro default__near_ctes(info, asked, k, where, plan) %}
    {{ samespace._raise('search', "the adapter '" ~ target.type ~ "' has no vector index here; use pgvector or duckdb") }}
{% endmacro %}

{#-
    The rows of the cells nearest to the query, as many cells as hold the rows that it takes. With a filter, vectors are read
    by address, of the rows that pass alone.
-#}
{% macro duckdb__near_ctes(info, asked, k, where, plan) %}
{% set apart = ['model_id'] if plan.ids | length > 1 or not asked.id else [] %}
{% set passing = info.sql ~ ' where __samespace_cell is not null' ~ (' and (' ~ where ~ '\n)' if where else '') %}
{% set sql %}
{{ samespace._probed_ctes(info, '__samespace_query', plan.index.dimension, k, where, apart, asked.id_sql if asked.id else none) }},

__samespace_near as (
    select r.*, r.rowid as __samespace_row
    from {{ info.sql }} as r
    where {{ 'r.rowid in (select rowid from ' ~ passing ~ ' and __samespace_cell in (select cell from __samespace_probed))' if where
             else 'r.__samespace_cell in (select cell from __samespace_probed)' }}
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}

{#-
    Where every branch of
    the index gave all the rows it was asked for, those; else the index knows too little (a filter, few rows, a query
    without a vector), and they are all rows: the exact search, with everything that it refuses.
-#}
{% macro postgres__near_ctes(info, asked, k, where, plan) %}
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
        (select count(*) = 1 and bool_and({{ samespace.usable_vector('embedding', asked.type) }}) from __samespace_query)
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
