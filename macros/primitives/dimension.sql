{#- SQL: how many numbers a vector has. -#}
{% macro dimension(embedding) %}
    {{ return(adapter.dispatch('dimension', 'samespace')(embedding)) }}
{% endmacro %}

{% macro default__dimension(embedding) %}
    {{ samespace._raise('dimension', "the adapter '" ~ target.type ~ "' cannot measure vectors here; use duckdb") }}
{% endmacro %}

{#- len() takes lists and arrays. https://duckdb.org/docs/stable/sql/functions/list -#}
{% macro duckdb__dimension(embedding) %}
    {{ return('len(' ~ embedding ~ ')') }}
{% endmacro %}

{#- Arrays may have any length and hold what pgvector refuses. https://github.com/pgvector/pgvector#vector-functions -#}
{% macro postgres__dimension(embedding) %}
    {{ return('(case when ' ~ samespace._is_array(embedding) ~ ' then cardinality(cast(' ~ embedding ~ ' as real[])) else vector_dims('
        ~ samespace._pgvector(embedding) ~ ') end)') }}
{% endmacro %}
