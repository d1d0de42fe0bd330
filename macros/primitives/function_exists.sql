{#- Whether a function that Python provides is registered on this connection. -#}
{% macro function_exists(name) %}
    {{ return(adapter.dispatch('function_exists', 'samespace')(name)) }}
{% endmacro %}

{% macro default__function_exists(name) %}
    {{ return(false) }}
{% endmacro %}

{% macro duckdb__function_exists(name) %}
    {{ return(execute and (run_query('select count(*) from duckdb_functions() where function_name = '
        ~ samespace.string_literal(name)).rows[0][0] | int) > 0) }}
{% endmacro %}
