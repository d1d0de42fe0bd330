{#- SQL: whether a vector can be compared: not NULL, finite, not zero. `type` is its data type, where it is known. -#}
{% macro usable_vector(vector, type=none) %}
    {{ return(adapter.dispatch('usable_vector', 'samespace')(vector, type)) }}
{% endmacro %}

{% macro default__usable_vector(vector, type) %}
    {{ samespace._raise('usable_vector', "the adapter '" ~ target.type ~ "' has no vectors here; use duckdb") }}
{% endmacro %}

{#- NaN sorts above every number in DuckDB, so it would pass any threshold. In DOUBLE, where no FLOAT overflows; the CASE
    because list functions take no NULL. https://duckdb.org/docs/stable/sql/data_types/numeric#floating-point-types -#}
{% macro duckdb__usable_vector(vector, type) %}
    {% set square = 'list_inner_product(cast(' ~ vector ~ ' as double[]), cast(' ~ vector ~ ' as double[]))' %}
    {{ return('(case when ' ~ vector ~ ' is null then false else isfinite(' ~ square ~ ') and ' ~ square ~ ' > 0 end)') }}
{% endmacro %}

{#- pgvector refuses NaN and infinity; arrays hold them. https://github.com/pgvector/pgvector#vector-functions -#}
{% macro postgres__usable_vector(vector, type) %}
    {% if samespace._is_pgvector(type) %}
        {{ return('coalesce(vector_norm(' ~ samespace._pgvector(vector, type) ~ ') > 0, false)') }}
    {% endif %}
    {{ return('(case when ' ~ samespace._is_array(vector) ~ " then (select coalesce(bool_and(coalesce(abs(x) < 'Infinity', false)) and bool_or(x <> 0), false) "
        ~ 'from unnest(cast(' ~ vector ~ ' as real[])) as x) else coalesce(vector_norm(' ~ samespace._pgvector(vector) ~ ') > 0, false) end)') }}
{% endmacro %}
