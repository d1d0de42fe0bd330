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
