{#- SQL: cosine similarity of two vectors of one length, in fp32. For the inner `order by` of a search, where speed counts. -#}
{% macro cosine_similarity(left, right) %}
    {{ return(adapter.dispatch('cosine_similarity', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__cosine_similarity(left, right) %}
    {{ samespace._raise('cosine_similarity', "the adapter '" ~ target.type ~ "' has no cosine similarity here; use duckdb") }}
{% endmacro %}

{#- Refuses arrays of different lengths. https://duckdb.org/docs/stable/sql/functions/array -#}
{% macro duckdb__cosine_similarity(left, right) %}
    {{ return('array_cosine_similarity(' ~ left ~ ', ' ~ right ~ ')') }}
{% endmacro %}

{#- least() takes NaN, the distance to a zero vector, for the largest number: such a vector gets -1 as on DuckDB. Never an
    index, which serves a bare distance only: exact. https://github.com/pgvector/pgvector#distances -#}
{% macro postgres__cosine_similarity(left, right) %}
    {{ return('(1 - least(' ~ samespace._pgvector(left) ~ ' <=> ' ~ samespace._pgvector(right) ~ ', 2))') }}
{% endmacro %}
