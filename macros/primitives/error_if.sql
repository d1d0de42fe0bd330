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

{#-
    SQL has no RAISE: a text that is no boolean is cast to one, and the server repeats it. The clock makes it volatile,
    or the planner would evaluate it beforehand. https://www.postgresql.org/docs/current/xfunc-volatility.html
-#}
{% macro postgres__error_if(condition, message) %}
    {{ return('(case when ' ~ condition ~ ' then cast(coalesce(' ~ message ~ ", 'samespace: stopped') || left(cast(clock_timestamp() as text), 0)"
        ~ ' as boolean) else true end)') }}
{% endmacro %}
