{#- Whether a column type, as the adapter names it, holds text. -#}
{% macro is_text_type(data_type) %}
    {% set name = (data_type | lower).split('(')[0].split('.')[-1] | trim %}
    {{ return(name in ['varchar', 'text', 'string', 'char', 'bpchar', 'character varying', 'character', 'citext', 'name']
              or name.startswith('enum')) }}
{% endmacro %}
