{#- SQL: (re)create a temp table of this connection from a select; and drop one if it is there. -#}
{% macro create_temp_table(name, select) %}
    {{ return(adapter.dispatch('create_temp_table', 'samespace')(name, select)) }}
{% endmacro %}

{#- Nobody else analyzes a temp table, and without it every join below is planned for a handful of rows.
    https://www.postgresql.org/docs/current/sql-analyze.html -#}
{% macro default__create_temp_table(name, select) %}
    {{ return('drop table if exists ' ~ name ~ '; create temporary table ' ~ name ~ ' as ' ~ select ~ '; analyze ' ~ name) }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/statements/create_table#temporary-tables -#}
{% macro duckdb__create_temp_table(name, select) %}
    {{ return('create or replace temporary table ' ~ name ~ ' as ' ~ select) }}
{% endmacro %}
