{#- Create a table from a select of the columns `names` (quoted), with the storage that the option `index` calls for. -#}
{% macro build_table(relation, select, names, options) %}
    {{ return(adapter.dispatch('build_table', 'samespace')(relation, select, names, options)) }}
{% endmacro %}

{% macro default__build_table(relation, select, names, options) %}
    {% call statement('samespace_build') %}{{ get_create_table_as_sql(False, relation, select) }}{% endcall %}
{% endmacro %}

{#-
    Sorted by cell, so that the rows of one lie together: a scan of a few cells skips the rest. The column comes after the
    table is shaped, because a contract names the user's columns alone; rows that somebody inserts by hand are in cell 0.
    https://duckdb.org/docs/stable/guides/performance/indexing#zonemaps
-#}
{% macro duckdb__build_table(relation, select, names, options) %}
    {% if '__samespace_cell' not in names %}
        {{ return(samespace.default__build_table(relation, select, names, options)) }}
    {% endif %}
    {% call statement('samespace_shape') %}
        {{ get_create_table_as_sql(False, relation, 'select * exclude (__samespace_cell) from (' ~ select ~ ') as __samespace_rows where false') }}
    {% endcall %}
    {% call statement('samespace_build') %}
        alter table {{ relation }} add column __samespace_cell integer default 0;
        insert into {{ relation }} ({{ names | join(', ') }})
        select {{ names | join(', ') }} from ({{ select }}) as __samespace_rows order by model_id, __samespace_cell
    {% endcall %}
{% endmacro %}

{#- Rows have to be written with their storage, and dbt's `create table as` says nothing of it: an empty table first. -#}
{% macro postgres__build_table(relation, select, names, options) %}
    {% set storage = samespace._table_storage(relation, options) %}
    {% if storage %}
        {% call statement('samespace_shape') %}
            {{ get_create_table_as_sql(False, relation, 'select * from (' ~ select ~ ') as __samespace_rows where false') }}
        {% endcall %}
        {% call statement('samespace_build') %}
            alter table {{ relation }} {{ storage }};
            insert into {{ relation }} ({{ names | join(', ') }}) {{ select }}
        {% endcall %}
    {% else %}
        {% do samespace.default__build_table(relation, select, names, options) %}
    {% endif %}
    {% call statement('samespace_analyze') %}analyze {{ relation }}{% endcall %}
{% endmacro %}


{#-
    With an index: room in each page, so that an update of other columns leaves the graph alone (a HOT update): 10 % of 20,000
    rows in 0.01 s instead of 0.64 s. Without one, every search reads every vector: above some 2 kB a row pgvector's
    default keeps them in a second table, and an exact scan of 768 numbers takes three times as long. `main` keeps them
    in the row as long as it fits a page.
    https://www.postgresql.org/docs/current/storage-hot.html https://www.postgresql.org/docs/current/storage-toast.html
-#}
{% macro _table_storage(relation, options) %}
    {% if options.index not in [none, 'none'] and samespace._index_options(options.index, relation.identifier).type != 'none' %}
        {{ return('set (fillfactor = 75)') }}
    {% endif %}
    {{ return('alter column embedding set storage main' if options.specs[0].dimension > 400 else '') }}
{% endmacro %}
