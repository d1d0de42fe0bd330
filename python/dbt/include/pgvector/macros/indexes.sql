{#-
  An index may have an operator class, storage parameters, a predicate and a name of its own:
  https://www.postgresql.org/docs/current/sql-createindex.html
-#}
{% macro pgvector__get_create_index_sql(relation, index_dict) -%}
    {%- set index = adapter.parse_index(index_dict) -%}
    {%- set name = index.render(relation) -%}
    {%- if index.name and execute -%}
        {{ _pgvector_free_index_name(relation, index) }}
    {%- endif -%}
    create {% if index.unique %}unique {% endif %}index if not exists "{{ name }}"
    on {{ relation }} {% if index.type %}using {{ index.type }} {% endif %}({{ index.keys }})
    {%- if index.storage %}
    with ({{ index.storage }})
    {%- endif %}
    {%- if index.where %}
    where {{ index.where }}
    {%- endif %}
    {%- if index.comment %};
    comment on index {{ relation.include(database=false, identifier=false) ~ '.' if relation.schema }}"{{ name }}" is '{{ index.comment }}'
    {%- endif %}
{%- endmacro %}

{#-
  SQL that takes the name from the table which is about to be replaced: a schema holds a name once, and the old
  table keeps its indexes until the new one is in its place.
-#}
{% macro _pgvector_free_index_name(relation, index) -%}
    {%- set holder = run_query(
        "select t.relname from pg_catalog.pg_index as x "
        "inner join pg_catalog.pg_class as i on i.oid = x.indexrelid "
        "inner join pg_catalog.pg_class as t on t.oid = x.indrelid "
        "inner join pg_catalog.pg_namespace as n on n.oid = i.relnamespace "
        "where i.relname = '" ~ index.name | replace("'", "''") ~ "' and n.nspname = '"
        ~ relation.schema | replace("'", "''") ~ "'"
    ) -%}
    {%- set holder = holder.rows[0][0] if holder.rows | length else none -%}
    {%- if holder is not none and holder != relation.identifier -%}
        {%- set own = this if this is defined else relation -%}
        {%- if holder not in [own.identifier, make_backup_relation(own, 'table').identifier] -%}
            {{ exceptions.raise_compiler_error(
                "the index name '" ~ index.name ~ "' of " ~ own ~ " is taken: the table '" ~ holder ~ "' in the schema '"
                ~ relation.schema ~ "' has an index of this name, and a schema holds a name once. Choose another name: "
                ~ "in its indexes:."
            ) }}
        {%- endif -%}
        alter index if exists {{ relation.include(identifier=false, database=false) }}."{{ index.name }}" rename to "{{ index.another_name(relation) }}";
    {% endif -%}
{%- endmacro %}

{#- As dbt-postgres', also with indexes on expressions only, and with the comment that tells configurations apart. -#}
{% macro pgvector__get_show_indexes_sql(relation) %}
    select
        i.relname as name,
        m.amname as method,
        x.indisunique as "unique",
        array_to_string(array_agg(a.attname), ',') as column_names,
        obj_description(i.oid, 'pg_class') as description
    from pg_catalog.pg_index as x
    inner join pg_catalog.pg_class as i on i.oid = x.indexrelid
    inner join pg_catalog.pg_am as m on m.oid = i.relam
    inner join pg_catalog.pg_class as t on t.oid = x.indrelid
    inner join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
    left join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum = any(x.indkey)
    where t.relname = '{{ relation.identifier | replace("'", "''") }}'
        and n.nspname = '{{ relation.schema | replace("'", "''") }}'
        and t.relkind in ('r', 'm')
    group by i.oid, i.relname, m.amname, x.indisunique
    order by 1, 2, 3
{% endmacro %}

{#- dbt-postgres calls its own macro for the changed indexes, which knows no vectors. -#}
{% macro pgvector__get_alter_materialized_view_as_sql(
    relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation
) %}
    {%- for change in configuration_changes.indexes %}
    {{ get_drop_index_sql(relation, change.context) if change.action == 'drop' else get_create_index_sql(relation, change.context) }}
    {{- ';' if not loop.last }}
    {%- endfor %}
{% endmacro %}

