{#- SQL: a text that compares by its bytes, whatever collation its column or the database has ('a' is not 'A'). -#}
{% macro exact_text(expression) %}
    {{ return(adapter.dispatch('exact_text', 'samespace')(expression)) }}
{% endmacro %}

{% macro default__exact_text(expression) %}
    {{ samespace._raise('exact_text', "the adapter '" ~ target.type ~ "' has no SQL for an exact comparison here; use duckdb") }}
{% endmacro %}

{#- Free: the binder resolves it. https://duckdb.org/docs/stable/sql/expressions/collations -#}
{% macro duckdb__exact_text(expression) %}
    {{ return('(cast(' ~ expression ~ ' as varchar) collate c)') }}
{% endmacro %}

{#- https://www.postgresql.org/docs/current/collation.html -#}
{% macro postgres__exact_text(expression) %}
    {{ return('(cast(' ~ expression ~ ' as text) collate "C")') }}
{% endmacro %}
