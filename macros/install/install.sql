{#-
    Create the functions that need no Python in the package's own schema: similarity, search_by_key, search_by_vector.
    They stay in the database and serve any client. Run again when an embedding relation or a declared space was added.
-#}
{% macro install() %}
    {% set place = samespace._own_table('similarity') %}
    {% if execute %}
        {% do adapter.create_schema(place) %}
        {% set relations = samespace._recorded_relations() %}
        {% for statement in samespace.installed_functions(relations) %}
            {% do run_query(statement) %}
        {% endfor %}
        {% do log('samespace.install: similarity, search_by_key and search_by_vector are in ' ~ place.without_identifier()
            ~ ', for ' ~ (relations | length) ~ (' relation: ' if relations | length == 1 else ' relations: ')
            ~ (relations | map(attribute='identifier') | join(', ') or 'none'), info=true) %}
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
