{#- SQL: a text as a literal, quoted so that no value can become SQL. -#}
{% macro string_literal(text) %}
    {{ return(adapter.dispatch('string_literal', 'samespace')(text)) }}
{% endmacro %}

{% macro default__string_literal(text) %}
    {{ return("'" ~ ((text | string) | replace("'", "''")) ~ "'") }}
{% endmacro %}

{#- With standard_conforming_strings off a backslash escapes, so it is written where it escapes everywhere.
    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE -#}
{% macro postgres__string_literal(text) %}
    {% set plain = samespace.default__string_literal(text) %}
    {{ return(" E" ~ plain.replace('\\', '\\\\') if '\\' in plain else plain) }}
{% endmacro %}
