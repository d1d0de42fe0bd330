{#- SQL: Euclidean distance of two vectors of one length. -#}
{% macro l2_distance(left, right) %}
    {{ return(adapter.dispatch('l2_distance', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__l2_distance(left, right) %}
    {{ samespace._raise('l2_distance', "the adapter '" ~ target.type ~ "' has no Euclidean distance here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/array -#}
{% macro duckdb__l2_distance(left, right) %}
    {{ return('array_distance(' ~ left ~ ', ' ~ right ~ ')') }}
{% endmacro %}

{#- https://github.com/pgvector/pgvector#vector-operators -#}
{% macro postgres__l2_distance(left, right) %}
    {{ return('(' ~ samespace._pgvector(left) ~ ' <-> ' ~ samespace._pgvector(right) ~ ')') }}
{% endmacro %}
