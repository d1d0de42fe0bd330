{#- A column name as the engine wants it, with the quotes inside it doubled: adapter.quote leaves them. -#}
{% macro _quote(name) %}
    {{ return(adapter.quote(name | replace('"', '""'))) }}
{% endmacro %}
