{#-
    CTEs that end in __samespace_found (query, similarity): what a search by index finds for each row of __samespace_queries,
    without itself, the k nearest among them. `rows` is SQL of the rows that may be found, behind `where`; __samespace_true holds
    the exact answer.
-#}
{% macro recall_near(info, rows, k, index, where) %}
    {% if index is none %}
        {{ return(samespace.default__recall_near(info, rows, k, index, where)) }}
    {% endif %}
    {{ return(adapter.dispatch('recall_near', 'samespace')(info, rows, k, index, where)) }}
{% endmacro %}

{% macro default__recall_near(info, rows, k, index, where) %}
    {{ return('__samespace_found as (\n    select query, similarity from __samespace_true\n)') }}
{% endmacro %}

{#- Each model has cells and a budget of its own, as a search has. -#}
{% macro duckdb__recall_near(info, rows, k, index, where) %}
{% set sql %}
{{ samespace._probed_ctes(info, '__samespace_queries', index.dimension, k, where, ['query', 'model_id']) }},

__samespace_found as (
    select
        q.query,
        unnest(max({{ samespace.cosine_similarity('r.embedding', 'q.embedding') }}, {{ k }})) as similarity
    from __samespace_probed as p
    inner join (
        {{ rows }}
    ) as r on r.__samespace_cell = p.cell
    inner join __samespace_queries as q on q.query = p.query
    where r.{{ info.model_id_sql }} = q.model_id and r.{{ info.key_sql }} <> q.key
    group by q.query
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}

{#-
    The statement that search() makes for each query, as one scan of the index of its model. Like there, a query for which the
    index gives fewer rows than it was asked for is answered exactly.
-#}
{% macro postgres__recall_near(info, rows, k, index, where) %}
{% set amount = k + samespace._slack() %}
{% set sql %}
__samespace_effort as (
    select {{ samespace.index_effort(amount, index) }} as applied
),

__samespace_near as (
    {%- for id in index.ids %}
    {{ 'union all' if not loop.first }}
    select
        q.query,
        n.similarity,
        count(*) over (partition by q.query) as amount
    from (select * from __samespace_queries where (select applied from __samespace_effort)) as q
    cross join lateral (
        select {{ samespace.cosine_similarity('r.embedding', 'q.embedding') }} as similarity
        from (
            {{ rows }}
        ) as r
        where r.{{ info.model_id_sql }} = {{ samespace.string_literal(id) }} and r.{{ info.key_sql }} <> q.key
        order by {{ samespace.index_distance('r.embedding', 'q.embedding', index) }}
        limit {{ amount }}
    ) as n
    where q.model_id = {{ samespace.string_literal(id) }}
    {%- endfor %}
),

__samespace_found as (
    select query, similarity from __samespace_near where amount = {{ amount }}
    union all
    select query, similarity
    from __samespace_true
    where query not in (select query from __samespace_near where amount = {{ amount }})
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- SQL of the k nearest rows of each query, exactly: query, similarity. -#}
{% macro _recall_exact(k) %}
{% set sql %}
select
        c.query,
        {{ samespace.cosine_similarity('n.embedding', 'q.embedding') }} as similarity
    from (
        {{ samespace.nearest_candidates('__samespace_queries', '__samespace_rows', 'n.model_id = q.model_id and n.key <> q.key', k) }}
    ) as c
    inner join __samespace_queries as q on q.ordinal = c.query
    inner join __samespace_rows as n on n.ordinal = c.neighbour
{%- endset %}
{{ return(sql) }}
{% endmacro %}
