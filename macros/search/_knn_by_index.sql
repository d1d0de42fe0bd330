{#-
    The nearest rows of each row by index: one index scan per query row and model_id of its space. A row whose space the
    index did not answer in full is compared with every row instead.
-#}
{% macro _knn_by_index(sides, k, where, plan) %}
{% set info, amount = sides.info, k + samespace._slack() %}
{% set itself = ' and r.' ~ info.key_sql ~ ' <> q.__samespace_key' if sides.query_info is none else '' %}
{% set filtered = 'select * from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') %}
{% set sql %}
with __samespace_effort as (
    select {{ samespace.index_effort(amount, plan.index) }} as applied
),

__samespace_queries as (
    {{ samespace._knn_queries(sides.query_info or info, where if sides.query_info is none else none) }}
),

__samespace_guard as (
    {{ samespace._sides_guard('knn', sides) }}
),

__samespace_near as (
    {%- for id in plan.ids %}
    {{ 'union all' if not loop.first }}
    {{ samespace._nearest_of_query('__samespace_queries', info, k, filtered,
        'r.' ~ info.model_id_sql ~ ' = ' ~ samespace.string_literal(id) ~ itself,
        samespace.index_distance('r.' ~ info.embedding_sql, 'q.__samespace_embedding', plan.index)) }}
    where {{ samespace.same_space('q.__samespace_model_id', samespace.string_literal(id)) }}
    {%- endfor %}
),

__samespace_held_ids as materialized (
    select distinct {{ info.model_id_sql }} as model_id from {{ info.sql }}
),

__samespace_complete as (
    select
        query,
        count(*) as ids
    from (
        select distinct query, model_id from __samespace_near where found = {{ amount }}
    ) as branches
    group by query
),

__samespace_short as (
    select q.*
    from __samespace_queries as q
    left join __samespace_complete as c on c.query = q.__samespace_ordinal
    where coalesce(c.ids, 0) < (
        select count(*) from __samespace_held_ids as h where {{ samespace.same_space('h.model_id', 'q.__samespace_model_id') }}
    )
),

__samespace_exact as (
    {{ samespace._nearest_of_query('__samespace_short', info, k, filtered,
        samespace.same_space('r.' ~ info.model_id_sql, 'q.__samespace_model_id') ~ itself,
        samespace.cosine_similarity('r.' ~ info.embedding_sql, 'q.__samespace_embedding') ~ ' desc, ' ~ samespace._row_order(info, 'r.')) }}
),

__samespace_found as (
    select n.*
    from __samespace_near as n
    where not exists (select 1 from __samespace_short as s where s.__samespace_ordinal = n.query)
    union all
    select * from __samespace_exact
),

__samespace_guarded as (
    select * from __samespace_found
    union all
    select f.*
    from __samespace_guard as g
    left join __samespace_found as f on false
    where not g.passed
),

__samespace_ranked as (
    select
        *,
        cast(row_number() over (
            partition by query order by similarity desc, {{ samespace.sort_key('neighbour_key', info.key_type) }}, {{ samespace.sort_key('model_id', 'text') }}
        ) as integer) as rank
    from __samespace_guarded
),

__samespace_asked as (
    select
        __samespace_ordinal as ordinal,
        __samespace_key as key,
        __samespace_model_id as model_id
    from __samespace_queries
),

final as (
    select
        q.key as query_key,
        n.neighbour_key,
        n.similarity,
        n.rank,
        {{ samespace._neighbour_model_ids('n', 'q') }}
    from __samespace_ranked as n
    inner join __samespace_asked as q on q.ordinal = n.query
    where n.rank <= {{ k }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#-
    SQL of a select without its `where`: for each row of `queries` its nearest rows under `condition` by `order` (query,
    neighbour_key, model_id, found: how many the order gave, similarity), those as near as the k-th up to rounding.
-#}
{% macro _nearest_of_query(queries, info, k, filtered, condition, order) %}
{% set sql %}
select
        q.__samespace_ordinal as query,
        n.neighbour_key,
        n.model_id,
        n.found,
        {{ samespace.rounded(samespace.cosine_similarity_exact('q.__samespace_embedding', 'n.embedding')) }} as similarity
    from {{ queries }} as q
    inner join lateral (
        select
            *,
            count(*) over () as found,
            nth_value(fast, {{ k }}) over (order by fast desc rows between unbounded preceding and unbounded following) as kth
        from (
            select
                r.{{ info.key_sql }} as neighbour_key,
                r.{{ info.model_id_sql }} as model_id,
                r.{{ info.embedding_sql }} as embedding,
                {{ samespace.cosine_similarity('r.' ~ info.embedding_sql, 'q.__samespace_embedding') }} as fast
            from (
                {{ filtered }}
            ) as r
            where {{ condition }}
            order by {{ order }}
            limit {{ k + samespace._slack() }}
        ) as nearest
    ) as n on n.fast >= coalesce(n.kth, -1) - 0.0001 and {{ samespace.usable_vector('n.embedding') }}
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- The rows that ask, under names that no `where` of a user can mean. They wait for __samespace_effort. -#}
{% macro _knn_queries(info, where) %}
{% set sql %}
select
        {{ info.key_sql }} as __samespace_key,
        {{ info.model_id_sql }} as __samespace_model_id,
        {{ info.embedding_sql }} as __samespace_embedding,
        row_number() over (order by {{ samespace._row_order(info) }}) as __samespace_ordinal
    from {{ info.sql }}
    where (select applied from __samespace_effort) and {{ samespace.usable_vector(info.embedding_sql) }}{{ ' and (' ~ where ~ '\n)' if where else '' }}
{%- endset %}
{{ return(sql) }}
{% endmacro %}
