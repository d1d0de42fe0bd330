{#- Whether "Order" and "order" are one column. -#}
{% macro column_names_ignore_case() %}
    {{ return(adapter.dispatch('column_names_ignore_case', 'samespace')()) }}
{% endmacro %}

{#- https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS -#}
{% macro default__column_names_ignore_case() %}
    {{ return(false) }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/dialect/keywords_and_identifiers#case-sensitivity-of-identifiers -#}
{% macro duckdb__column_names_ignore_case() %}
    {{ return(true) }}
{% endmacro %}
