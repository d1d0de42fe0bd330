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
