{#- The column type of vectors of this length. -#}
{% macro vector_type(dimension) %}
    {{ return(adapter.dispatch('vector_type', 'samespace')(dimension)) }}
{% endmacro %}

{% macro default__vector_type(dimension) %}
    {{ samespace._raise('vector_type', "the adapter '" ~ target.type ~ "' has no vector type here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/data_types/array -#}
{% macro duckdb__vector_type(dimension) %}
    {{ return('FLOAT[' ~ dimension ~ ']') }}
{% endmacro %}
