{#-
  dbt-postgres reads information_schema, which says USER-DEFINED for vector(384), and nothing about the columns of
  materialized views: https://www.postgresql.org/docs/current/infoschema-columns.html. The sizes are its own.
  A relation without a schema is a temporary one (or the first of that name on the search_path).
-#}
{% macro pgvector__get_columns_in_relation(relation) %}
    {%- set name = "'" ~ (relation.identifier | replace("'", "''")) ~ "'" %}
    {% call statement('get_columns_in_relation', fetch_result=true) %}
        with columns as (
            select
                a.attname, a.attnum, a.atttypid, a.atttypmod,
                case when t.typtype = 'd' then t.typbasetype else a.atttypid end as type_id,
                case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as modifier
            from pg_catalog.pg_attribute as a
            inner join pg_catalog.pg_class as c on c.oid = a.attrelid
            inner join pg_catalog.pg_type as t on t.oid = a.atttypid
            where a.attnum > 0 and not a.attisdropped and c.relname = {{ name }}
                {%- if relation.schema %}
                and c.relnamespace = (
                    select oid from pg_catalog.pg_namespace
                    where nspname = '{{ relation.schema | replace("'", "''") }}'
                )
                {%- else %}
                and pg_catalog.pg_table_is_visible(c.oid)
                {%- endif %}
        )
        select
            attname as column_name,
            pg_catalog.format_type(type_id, null) as data_type,
            information_schema._pg_char_max_length(type_id, modifier) as character_maximum_length,
            information_schema._pg_numeric_precision(type_id, modifier) as numeric_precision,
            information_schema._pg_numeric_scale(type_id, modifier) as numeric_scale,
            pg_catalog.format_type(atttypid, atttypmod) as formatted
        from columns
        order by attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{% endmacro %}

{#- The header is marked: what describes the query must know where the query starts. -#}
{% macro pgvector__get_empty_subquery_sql(select_sql, select_sql_header=none) %}
    {%- if select_sql_header is not none -%}
    {{ select_sql_header }} {{ adapter.end_of_header() }}
    {%- endif %}
    {{ default__get_empty_subquery_sql(select_sql) }}
{% endmacro %}
