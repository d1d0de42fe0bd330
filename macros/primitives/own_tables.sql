{#- Names of the tables in the package's own schema that start with `prefix`, sorted. Asks the database. -#}
{% macro own_tables(prefix) %}
    {% set schema = samespace._own_table(prefix) %}
    {% set names = [] %}
    {% for row in run_query('select table_name from information_schema.tables where table_schema = '
        ~ samespace.string_literal(schema.schema) ~ ' and table_catalog = ' ~ samespace.string_literal(schema.database)
        ~ ' order by table_name').rows if row[0].startswith(prefix) %}
        {% do names.append(row[0]) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- Names of the databases that this connection can read. -#}
{% macro readable_databases() %}
    {{ return(adapter.dispatch('readable_databases', 'samespace')()) }}
{% endmacro %}

{% macro default__readable_databases() %}
    {{ return([target.database]) }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/meta/duckdb_table_functions#duckdb_databases -#}
{% macro duckdb__readable_databases() %}
    {{ return(run_query('select database_name from duckdb_databases() where not internal').columns[0].values() | list) }}
{% endmacro %}
