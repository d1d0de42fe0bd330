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
