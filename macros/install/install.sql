{#-
    Create the functions that need no Python in the package's own schema (docs/functions.md). They stay in the database
    and serve any client. Run again when a declared space was added; on DuckDB also after a new embedding relation.
-#}
{% macro install() %}
    {% if execute %}
        {% set functions = samespace.installed_functions(samespace._recorded_relations()) %}
        {#- In one transaction: whoever calls a function meanwhile finds the old ones or the new ones, never a part. -#}
        {% for sql in functions.statements %}
            {% call statement('samespace_install', auto_begin=true) %}{{ sql }}{% endcall %}
        {% endfor %}
        {% do adapter.commit() %}
        {% set names = functions.names %}
        {% do log('samespace.install: ' ~ (names[:-1] | join(', ')) ~ ' and ' ~ names[-1] ~ ' are in '
            ~ samespace._own_table('similarity').without_identifier() ~ ', for ' ~ functions.then, info=true) %}
    {% endif %}
{% endmacro %}


{#- What embedding_relations holds: a list of {database, schema, identifier, key, embedding}. -#}
{% macro _recorded_relations() %}
    {% set table = samespace._own_table('embedding_relations') %}
    {% set found = [] %}
    {% if samespace.table_exists(table) %}
        {% for row in run_query('select database_name, schema_name, identifier, key_column, embedding_column from ' ~ table
            ~ ' order by 1, 2, 3').rows %}
            {% do found.append({'database': row[0], 'schema': row[1], 'identifier': row[2], 'key': row[3], 'embedding': row[4]}) %}
        {% endfor %}
    {% endif %}
    {{ return(found) }}
{% endmacro %}
