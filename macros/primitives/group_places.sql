{#-
    SQL: the CTE __samespace_heads (place, head) for the places that some edge (earlier, later, similarity) leads to and
    that are not canonical themselves. Stands in a `with recursive`.
-#}
{% macro group_places(edges, linkage) %}
    {{ return(adapter.dispatch('group_places', 'samespace')(edges, linkage)) }}
{% endmacro %}

{% macro default__group_places(edges, linkage) %}
    {{ samespace._raise('duplicates', "method 'sql' is not there for the adapter '" ~ target.type ~ "'; use duckdb") }}
{% endmacro %}

{#-
    canonical: in every round the open rows without an open earlier neighbour are canonical, and they and their neighbours
    are no longer open; as many rounds as the longest chain of dependence. DuckDB lets the recursive part name its working
    table several times. https://duckdb.org/docs/stable/sql/query_syntax/with#recursive-ctes
-#}
{% macro duckdb__group_places(edges, linkage) %}
{% set rounds %}
__samespace_open as (
    select
        place,
        0 as round
    from (select earlier as place from {{ edges }} union select later as place from {{ edges }}) as touched
    union all
    (
        with {{ samespace._waiting_places(edges, '__samespace_open') }}
        select
            waiting.place,
            (select max(round) from __samespace_open) + 1 as round
        from waiting
        where waiting.place not in (select place from covered)
    )
)
{%- endset %}
{{ return(rounds ~ ',\n\n' ~ samespace._heads_by_round(edges) if linkage == 'canonical' else samespace._heads_by_reach(edges)) }}
{% endmacro %}

{#- The recursive part may name its working table once, so a round is one row that holds its open places in an array.
    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-RECURSIVE -#}
{% macro postgres__group_places(edges, linkage) %}
{% set rounds %}
__samespace_rounds as (
    select
        0 as round,
        array_agg(place) as places
    from (select earlier as place from {{ edges }} union select later as place from {{ edges }}) as touched
    union all
    select
        last_round.round + 1 as round,
        next_round.places
    from __samespace_rounds as last_round
    cross join lateral (
        with still_open as (
            select unnest(last_round.places) as place
        ),
        {{ samespace._waiting_places(edges, 'still_open') }}
        select array_agg(waiting.place) as places
        from waiting
        where waiting.place not in (select place from covered)
    ) as next_round
    where next_round.places is not null
),

__samespace_open as (
    select
        unnest(places) as place,
        round
    from __samespace_rounds
)
{%- endset %}
{{ return(rounds ~ ',\n\n' ~ samespace._heads_by_round(edges) if linkage == 'canonical' else samespace._heads_by_reach(edges)) }}
{% endmacro %}


{#- CTEs of one round: `waiting`, the open places that an open earlier one leads to, and `covered`, those that a canonical one
    leads to. `still_open` is a table of the open places. -#}
{% macro _waiting_places(edges, still_open) %}
{% set sql %}
waiting as (
            select distinct edge.later as place
            from {{ edges }} as edge
            inner join {{ still_open }} as earlier on earlier.place = edge.earlier
            inner join {{ still_open }} as later on later.place = edge.later
        ),
        covered as (
            select edge.later as place
            from {{ edges }} as edge
            inner join {{ still_open }} as earlier on earlier.place = edge.earlier
            where edge.earlier not in (select place from waiting)
        )
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- CTEs after __samespace_open (place, round: the rounds in which a place was open). -#}
{% macro _heads_by_round(edges) %}
{% set sql %}
__samespace_last_round as (
    select
        place,
        max(round) as round
    from __samespace_open
    group by place
),

__samespace_not_canonical as (
    select distinct edge.later as place
    from {{ edges }} as edge
    inner join __samespace_last_round as last_round on last_round.place = edge.later
    inner join __samespace_open as earlier on earlier.place = edge.earlier and earlier.round = last_round.round
),

__samespace_choices as (
    select
        edge.later as place,
        edge.earlier as head,
        row_number() over (partition by edge.later order by edge.similarity desc, edge.earlier) as choice
    from {{ edges }} as edge
    where edge.later in (select place from __samespace_not_canonical)
        and edge.earlier not in (select place from __samespace_not_canonical)
),

__samespace_heads as (
    select
        place,
        head
    from __samespace_choices
    where choice = 1
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- components: everything that a chain of edges reaches belongs to its smallest place. -#}
{% macro _heads_by_reach(edges) %}
{% set sql %}
__samespace_reached as (
    select
        earlier as place,
        earlier as head
    from {{ edges }}
    union
    select
        case when edge.earlier = reached.place then edge.later else edge.earlier end as place,
        reached.head
    from __samespace_reached as reached
    inner join {{ edges }} as edge on reached.place in (edge.earlier, edge.later)
    where case when edge.earlier = reached.place then edge.later else edge.earlier end > reached.head
),

__samespace_heads as (
    select
        place,
        min(head) as head
    from __samespace_reached
    group by place
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}
