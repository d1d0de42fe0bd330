{#-
    SQL: cosine similarity in double precision, from -1 to 1, of two usable vectors (see usable_vector). For the few rows
    that a result shows, so that engines and kernels agree on six decimals.
-#}
{% macro cosine_similarity_exact(left, right) %}
    {{ return(adapter.dispatch('cosine_similarity_exact', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__cosine_similarity_exact(left, right) %}
    {{ samespace._raise('cosine_similarity_exact', "the adapter '" ~ target.type ~ "' has no cosine similarity here; use duckdb") }}
{% endmacro %}

{#- DuckDB clamps to [-1, 1] itself; the CASE because list functions take no NULL.
    https://duckdb.org/docs/stable/sql/functions/list -#}
{% macro duckdb__cosine_similarity_exact(left, right) %}
    {{ return('(case when ' ~ left ~ ' is not null and ' ~ right ~ ' is not null then list_cosine_similarity(cast('
        ~ left ~ ' as double[]), cast(' ~ right ~ ' as double[])) end)') }}
{% endmacro %}
