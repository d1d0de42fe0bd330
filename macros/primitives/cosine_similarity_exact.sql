{#-
    SQL: cosine similarity in double precision, from -1 to 1; NULL for a zero vector or one with NaN or infinity.
    For the few rows that a result shows, so that engines and kernels agree on six decimals.
-#}
{% macro cosine_similarity_exact(left, right) %}
    {{ return(adapter.dispatch('cosine_similarity_exact', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__cosine_similarity_exact(left, right) %}
    {{ samespace._raise('cosine_similarity_exact', "the adapter '" ~ target.type ~ "' has no cosine similarity here; use duckdb") }}
{% endmacro %}

{#- The range check comes first: least() and greatest() pass over NULL, and NaN counts as the largest number. -#}
{% macro duckdb__cosine_similarity_exact(left, right) %}
    {% set similarity = 'list_cosine_similarity(cast(' ~ left ~ ' as double[]), cast(' ~ right ~ ' as double[]))' %}
    {{ return('(case when ' ~ similarity ~ ' between -2 and 2 then greatest(-1.0::double, least(1.0::double, ' ~ similarity ~ ')) end)') }}
{% endmacro %}
