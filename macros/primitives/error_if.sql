{#- SQL: an expression that stops the query with `message` (SQL text) where `condition` is true, else is true. -#}
{% macro error_if(condition, message) %}
    {{ return(adapter.dispatch('error_if', 'samespace')(condition, message)) }}
{% endmacro %}

{% macro default__error_if(condition, message) %}
    {{ samespace._raise('error_if', "the adapter '" ~ target.type ~ "' cannot stop a query from SQL here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/utility#errormessage -#}
{% macro duckdb__error_if(condition, message) %}
    {{ return('(case when ' ~ condition ~ ' then error(' ~ message ~ ') is null else true end)') }}
{% endmacro %}
