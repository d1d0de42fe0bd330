{#- SQL: length (Euclidean norm) of a vector, in double precision. NaN or infinity where the vector holds such. -#}
{% macro vector_norm(embedding) %}
    {{ return(adapter.dispatch('vector_norm', 'samespace')(embedding)) }}
{% endmacro %}

{% macro default__vector_norm(embedding) %}
    {{ samespace._raise('vector_norm', "the adapter '" ~ target.type ~ "' cannot measure vectors here; use duckdb") }}
{% endmacro %}

{#- The CASE because list functions take no NULL. https://duckdb.org/docs/stable/sql/functions/list -#}
{% macro duckdb__vector_norm(embedding) %}
    {{ return('(case when ' ~ embedding ~ ' is not null then sqrt(list_inner_product(cast(' ~ embedding ~ ' as double[]), cast('
        ~ embedding ~ ' as double[]))) end)') }}
{% endmacro %}

{#- In double precision for every type, so NaN and infinity of an array are there to see.
    https://github.com/pgvector/pgvector#vector-functions -#}
{% macro postgres__vector_norm(embedding) %}
    {{ return('(case when ' ~ samespace._is_array(embedding) ~ ' then (select sqrt(sum(cast(x as double precision) * x)) from unnest(cast('
        ~ embedding ~ ' as real[])) as x) else vector_norm(' ~ samespace._pgvector(embedding) ~ ') end)') }}
{% endmacro %}
