{#- Whether `schema.table` could also mean something else on this database. -#}
{% macro ambiguous_schema(schema) %}
    {{ return(adapter.dispatch('ambiguous_schema', 'samespace')(schema)) }}
{% endmacro %}

{% macro default__ambiguous_schema(schema) %}
    {{ return(false) }}
{% endmacro %}

{#- A catalog is called after its file. https://duckdb.org/docs/stable/sql/statements/attach#name-qualification -#}
{% macro duckdb__ambiguous_schema(schema) %}
    {{ return((schema | lower) == (target.database | lower)) }}
{% endmacro %}
