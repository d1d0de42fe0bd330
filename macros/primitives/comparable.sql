{#- SQL: a value of this type in a form that `is distinct from` takes. -#}
{% macro comparable(expression, type) %}
    {{ return(adapter.dispatch('comparable', 'samespace')(expression, type)) }}
{% endmacro %}

{% macro default__comparable(expression, type) %}
    {{ return(expression) }}
{% endmacro %}

{#- These types have no operator =, or one that compares areas. https://www.postgresql.org/docs/current/functions-geometry.html -#}
{% macro postgres__comparable(expression, type) %}
    {% set name = type | lower | replace('[]', '') %}
    {{ return('cast(' ~ expression ~ ' as text)' if name in ['json', 'xml', 'point', 'polygon', 'box', 'circle', 'lseg', 'path', 'line']
              else expression) }}
{% endmacro %}
