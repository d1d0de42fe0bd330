{#- SQL: whether a vector can be compared: not NULL, finite, not zero. -#}
{% macro usable_vector(vector) %}
    {{ return(adapter.dispatch('usable_vector', 'samespace')(vector)) }}
{% endmacro %}

{% macro default__usable_vector(vector) %}
    {{ samespace._raise('usable_vector', "the adapter '" ~ target.type ~ "' has no vectors here; use duckdb") }}
{% endmacro %}

{#- NaN sorts above every number in DuckDB, so it would pass any threshold. In DOUBLE, where no FLOAT overflows; the CASE
    because list functions take no NULL. https://duckdb.org/docs/stable/sql/data_types/numeric#floating-point-types -#}
{% macro duckdb__usable_vector(vector) %}
    {% set square = 'list_inner_product(cast(' ~ vector ~ ' as double[]), cast(' ~ vector ~ ' as double[]))' %}
    {{ return('(case when ' ~ vector ~ ' is null then false else isfinite(' ~ square ~ ') and ' ~ square ~ ' > 0 end)') }}
{% endmacro %}
