{#- SQL: a text as a literal, quoted so that no value can become SQL. -#}
{% macro string_literal(text) %}
    {{ return("'" ~ ((text | string) | replace("'", "''")) ~ "'") }}
{% endmacro %}
