{#- The one way to stop: `samespace.<macro>: <message>`. Never outside `execute`: an importer's `dbt ls` must work. -#}
{% macro _raise(macro, message) %}
    {% if execute %}
        {{ exceptions.raise_compiler_error('samespace.' ~ macro ~ ': ' ~ message) }}
    {% endif %}
{% endmacro %}


{#- Log one line for the person running dbt, only when something really runs. -#}
{% macro _say(macro, message) %}
    {% if execute and flags.WHICH in ['run', 'build', 'retry', 'show', 'test'] %}
        {% do log('samespace.' ~ macro ~ ': ' ~ message, info=flags.WHICH != 'show') %}
    {% endif %}
{% endmacro %}
