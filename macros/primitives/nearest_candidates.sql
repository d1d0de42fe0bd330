{#-
    SQL of a select: for each row of `queries` the `amount` most similar rows of `rows` by fast similarity, then by
    ordinal, as (query, neighbour), both ordinals. Both are CTEs with ordinal, entity, model_id and embedding;
    `condition` is the join predicate over the aliases q and n. For exact plans only: no index is used.
-#}
{% macro nearest_candidates(queries, rows, condition, amount) %}
    {{ return(adapter.dispatch('nearest_candidates', 'samespace')(queries, rows, condition, amount)) }}
{% endmacro %}

{% macro default__nearest_candidates(queries, rows, condition, amount) %}
    {{ samespace._raise('nearest_candidates', "the adapter '" ~ target.type ~ "' has no SQL for nearest rows here; use duckdb") }}
{% endmacro %}

{#-
    max(value, n) keeps n values per query and no more, where a window would keep every pair (16 times slower at
    100 x 50,000). One number carries both parts of the order: the similarity in millionths above 40 bits, less the ordinal.
    https://duckdb.org/docs/stable/sql/functions/aggregates
-#}
{% macro duckdb__nearest_candidates(queries, rows, condition, amount) %}
{% set sql %}
    select
        query,
        (-code) & 1099511627775 as neighbour
    from (
        select
            q.ordinal as query,
            unnest(max(cast(round({{ samespace.cosine_similarity('n.embedding', 'q.embedding') }} * 1000000) as bigint)
                * 1099511627776 - n.ordinal, {{ amount }})) as code
        from {{ queries }} as q
        inner join {{ rows }} as n on {{ condition }}
        group by q.ordinal
    ) as best
{%- endset %}
{{ return(sql) }}
{% endmacro %}

{#- Ordered by a number that no index knows; a top-n sort keeps `amount` rows per query.
    https://www.postgresql.org/docs/current/queries-table-expressions.html#QUERIES-LATERAL -#}
{% macro postgres__nearest_candidates(queries, rows, condition, amount) %}
{% set sql %}
    select
        q.ordinal as query,
        best.ordinal as neighbour
    from {{ queries }} as q
    cross join lateral (
        select n.ordinal
        from {{ rows }} as n
        where {{ condition }}
        order by round({{ samespace.cosine_similarity('n.embedding', 'q.embedding') }} * 1000000) desc, n.ordinal
        limit {{ amount }}
    ) as best
{%- endset %}
{{ return(sql) }}
{% endmacro %}
