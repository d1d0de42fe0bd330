{#- SQL: SHA-256 of the exact UTF-8 bytes of a text, 64 lower-case hex digits. Equal on every engine. -#}
{% macro content_hash(text) %}
    {{ return(adapter.dispatch('content_hash', 'samespace')(text)) }}
{% endmacro %}

{% macro default__content_hash(text) %}
    {{ samespace._raise('content_hash', "the adapter '" ~ target.type ~ "' has no SHA-256 here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/text#sha256value -#}
{% macro duckdb__content_hash(text) %}
    {{ return('sha256(' ~ text ~ ')') }}
{% endmacro %}

{#- https://www.postgresql.org/docs/current/functions-binarystring.html -#}
{% macro postgres__content_hash(text) %}
    {{ return("encode(sha256(convert_to(" ~ text ~ ", 'UTF8')), 'hex')") }}
{% endmacro %}
