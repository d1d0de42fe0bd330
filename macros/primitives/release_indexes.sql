{#- Free a table that is about to be renamed from what would forbid it. Its replacement gets indexes of its own. -#}
{% macro release_indexes(relation) %}
    {{ return(adapter.dispatch('release_indexes', 'samespace')(relation)) }}
{% endmacro %}

{% macro default__release_indexes(relation) %}
{% endmacro %}

{#-
    DuckDB: "Cannot alter entry because there are entries that depend on it". Counted first, because duckdb_indexes()
    reads the indexes of every table and fails when another thread has just dropped one of them.
-#}
{% macro duckdb__release_indexes(relation) %}
    {% set rows = run_query('select sum(index_count) from duckdb_tables() where database_name = '
        ~ samespace.string_literal(relation.database) ~ ' and schema_name = ' ~ samespace.string_literal(relation.schema)
        ~ ' and table_name = ' ~ samespace.string_literal(relation.identifier)).rows %}
    {% if rows[0][0] %}{% do drop_indexes_on_relation(relation) %}{% endif %}
{% endmacro %}
