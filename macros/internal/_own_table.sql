{#- A table of the schema that the package owns, as a Relation: quoted, three parts. -#}
{% macro _own_table(identifier) %}
    {% set schema = var('samespace_schema', 'samespace') %}
    {% if execute and samespace.ambiguous_schema(schema) %}
        {{ samespace._raise('schema', "the database is called '" ~ target.database ~ "', and so is the schema of samespace: "
            ~ schema ~ ".x would be ambiguous. Rename the database file, or set the var samespace_schema to another name.") }}
    {% endif %}
    {{ return(api.Relation.create(database=target.database, schema=schema, identifier=identifier, type='table',
                                  quote_policy={'database': true, 'schema': true, 'identifier': true})) }}
{% endmacro %}
