{#- Whether a table is there now. Asks the database: dbt's cache does not know what a Python job has just created. -#}
{% macro table_exists(relation) %}
    {% if not execute %}
        {{ return(false) }}
    {% endif %}
    {% set rows = run_query("select count(*) from information_schema.tables where table_name = "
        ~ samespace.string_literal(relation.identifier) ~ ' and table_schema = ' ~ samespace.string_literal(relation.schema)
        ~ ' and table_catalog = ' ~ samespace.string_literal(relation.database)).rows %}
    {{ return((rows[0][0] | int) > 0) }}
{% endmacro %}
