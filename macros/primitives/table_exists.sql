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


{#- Whether a table is there that this role may not read. -#}
{% macro table_hidden(relation) %}
    {{ return(adapter.dispatch('table_hidden', 'samespace')(relation)) }}
{% endmacro %}

{% macro default__table_hidden(relation) %}
    {{ return(false) }}
{% endmacro %}

{#- information_schema leaves such tables out. https://www.postgresql.org/docs/current/functions-info.html -#}
{% macro postgres__table_hidden(relation) %}
    {{ return((run_query('select count(*) from pg_catalog.pg_class as c inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace '
        ~ 'where n.nspname = ' ~ samespace.string_literal(relation.schema) ~ ' and c.relname = ' ~ samespace.string_literal(relation.identifier)
        ~ " and not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))").rows[0][0] | int) > 0) }}
{% endmacro %}


{#- Whether this role may drop a table. -#}
{% macro may_drop(relation) %}
    {{ return(adapter.dispatch('may_drop', 'samespace')(relation)) }}
{% endmacro %}

{% macro default__may_drop(relation) %}
    {{ return(true) }}
{% endmacro %}

{#- Only its owner may. https://www.postgresql.org/docs/current/sql-droptable.html -#}
{% macro postgres__may_drop(relation) %}
    {{ return((run_query('select count(*) from pg_catalog.pg_class as c inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace '
        ~ 'where n.nspname = ' ~ samespace.string_literal(relation.schema) ~ ' and c.relname = ' ~ samespace.string_literal(relation.identifier)
        ~ " and pg_has_role(c.relowner, 'usage')").rows[0][0] | int) > 0) }}
{% endmacro %}
