{#- SQL: a similarity in double precision, rounded to 6 decimals, half away from zero. -#}
{% macro rounded(expression) %}
    {{ return(adapter.dispatch('rounded', 'samespace')(expression)) }}
{% endmacro %}

{% macro default__rounded(expression) %}
    {{ return('round(' ~ expression ~ ', 6)') }}
{% endmacro %}

{#- Only numeric rounds to decimals. https://www.postgresql.org/docs/current/functions-math.html -#}
{% macro postgres__rounded(expression) %}
    {{ return('cast(round(cast(' ~ expression ~ ' as numeric), 6) as double precision)') }}
{% endmacro %}
