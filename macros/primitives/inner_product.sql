{#- SQL: inner product of two vectors of one length. Stands in for cosine similarity where all vectors have length 1. -#}
{% macro inner_product(left, right) %}
    {{ return(adapter.dispatch('inner_product', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__inner_product(left, right) %}
    {{ samespace._raise('inner_product', "the adapter '" ~ target.type ~ "' has no inner product here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/array -#}
{% macro duckdb__inner_product(left, right) %}
    {{ return('array_inner_product(' ~ left ~ ', ' ~ right ~ ')') }}
{% endmacro %}

{#- `<#>` is the negative inner product. https://github.com/pgvector/pgvector#vector-operators -#}
{% macro postgres__inner_product(left, right) %}
    {{ return('(-(' ~ samespace._pgvector(left) ~ ' <#> ' ~ samespace._pgvector(right) ~ '))') }}
{% endmacro %}
