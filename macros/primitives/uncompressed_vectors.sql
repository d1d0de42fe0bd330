{#- Write the vectors of a recorded relation (a name, or none for all) again without compression, and say so. -#}
{% macro uncompressed_vectors(relation) %}
    {{ return(adapter.dispatch('uncompressed_vectors', 'samespace')(relation)) }}
{% endmacro %}

{% macro default__uncompressed_vectors(relation) %}
    {{ samespace._raise('store_uncompressed', target.type ~ ' stores vectors as they are, so there is nothing to do here; this is for duckdb') }}
{% endmacro %}

{#-
    One statement per table rewrites that column alone and either happens or does not: a crash leaves the vectors that were
    there, and comments and row order stay. The setting is of the open database, ends with the process, and is taken back.
    https://duckdb.org/docs/stable/configuration/pragmas#compression
-#}
{% macro duckdb__uncompressed_vectors(relation) %}
    {% set place = run_query('select path, readonly from duckdb_databases() where database_name = ' ~ samespace.string_literal(target.database)).rows[0] %}
    {% if not place[0] %}
        {{ samespace._raise('store_uncompressed', "the database '" ~ target.database ~ "' is in memory, where nothing is compressed") }}
    {% elif place[1] %}
        {{ samespace._raise('store_uncompressed', "the database '" ~ target.database ~ "' is open for reading only") }}
    {% endif %}
    {% for table in samespace._tables_to_store(relation) %}
        {% set vector = table.sql ~ ' alter ' ~ samespace._quote(table.embedding) %}
        {% call statement('samespace_force', auto_begin=false) %}pragma force_compression = 'uncompressed'{% endcall %}
        {% call statement('samespace_store', auto_begin=true) %}alter table {{ vector }} type {{ table.type }} using {{ samespace._quote(table.embedding) }}{% endcall %}
        {#- A transaction of its own is over before the file is written: CHECKPOINT refuses otherwise. -#}
        {% do adapter.commit() %}
        {% call statement('samespace_checkpoint', auto_begin=false) %}checkpoint {{ samespace._quote(target.database) }}{% endcall %}
        {% call statement('samespace_free', auto_begin=false) %}pragma force_compression = 'auto'{% endcall %}
        {% set left = samespace._compressed_parts(table) %}
        {% if left %}
            {{ samespace._raise('store_uncompressed', left ~ " parts of the vectors of '" ~ table.identifier ~ "' are still compressed. "
                ~ 'Nothing is lost; run this again when nothing else writes to the database.') }}
        {% endif %}
        {% do log('samespace.store_uncompressed: ' ~ table.identifier ~ ': ' ~ '{:,}'.format(table.rows) ~ ' rows, vectors of '
            ~ '{:,.0f}'.format(table.rows * table.dimension * 4 / 1048576) ~ ' MB as they are. Rows that a later run writes are compressed '
            ~ 'again, all of them after a full refresh: then run this again.', info=true) %}
    {% endfor %}
{% endmacro %}


{#- The tables asked for, as {sql, identifier, embedding, type, dimension, rows}. -#}
{% macro _tables_to_store(relation) %}
    {% set known, found = samespace._recorded_relations() | selectattr('database', 'equalto', target.database) | list, [] %}
    {% for one in known if relation is none or relation | lower in [one.identifier | lower, (one.schema ~ '.' ~ one.identifier) | lower] %}
        {% set there = adapter.get_relation(one.database, one.schema, one.identifier) %}
        {% set type = (samespace._columns_of(there) or {}).get(one.embedding) if there and there.type == 'table' else none %}
        {% set length = modules.re.match('^float\\[(\\d+)\\]$', type or '') %}
        {% if length %}
            {% do found.append(dict(one, sql=there ~ '', type=type, dimension=length.group(1) | int,
                                    rows=run_query('select count(*) from ' ~ there).rows[0][0])) %}
        {% endif %}
    {% endfor %}
    {% if not found %}
        {{ samespace._raise('store_uncompressed', ("'" ~ relation ~ "' is no embedding relation of this database" if relation
            else 'this database has no embedding relation') ~ '; known: ' ~ (known | map(attribute='identifier') | join(', ') or 'none')) }}
    {% endif %}
    {{ return(found) }}
{% endmacro %}


{#- How many parts of a table's vectors its file holds in compressed form. https://duckdb.org/docs/stable/configuration/pragmas#storage-information -#}
{% macro _compressed_parts(table) %}
    {{ return(run_query('select count(*) from pragma_storage_info(' ~ samespace.string_literal(table.sql) ~ ") where segment_type = 'FLOAT' "
        ~ "and lower(compression) not in ('uncompressed', 'constant', 'empty validity') and column_name = " ~ samespace.string_literal(table.embedding)).rows[0][0]) }}
{% endmacro %}
