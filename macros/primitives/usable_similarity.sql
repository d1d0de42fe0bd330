{#- SQL: whether `similarity`, the fast one of `vector` with a usable query, is a similarity. Cheaper than usable_vector. -#}
{% macro usable_similarity(similarity, vector) %}
    {{ return(adapter.dispatch('usable_similarity', 'samespace')(similarity, vector)) }}
{% endmacro %}

{% macro default__usable_similarity(similarity, vector) %}
    {{ return(samespace.usable_vector(vector)) }}
{% endmacro %}

{#- DuckDB clamps NaN to -1, so only a row of exactly -1 has to be looked at: five times faster than looking at all. -#}
{% macro duckdb__usable_similarity(similarity, vector) %}
    {{ return('(' ~ similarity ~ ' > -1 or ' ~ samespace.usable_vector(vector) ~ ')') }}
{% endmacro %}
