{#- Build what the options `index` and `storage` ask for on a finished relation; say so where the engine has no such thing. -#}
{% macro vector_index(relation, options) %}
    {{ return(adapter.dispatch('vector_index', 'samespace')(relation, options)) }}
{% endmacro %}

{% macro default__vector_index(relation, options) %}
    {% set asked = [] %}
    {% if options.storage and options.storage != 'vector' %}{% do asked.append('storage') %}{% endif %}
    {% if options.index and options.index not in ['none', {'type': 'none'}] %}{% do asked.append('index') %}{% endif %}
    {% if asked %}
        {% do samespace._say('embedding', 'the option(s) ' ~ (asked | join(', ')) ~ ' of ' ~ relation.identifier ~ ' have no effect on '
            ~ target.type ~ ': vectors are stored as ' ~ samespace.vector_type(options.specs[0].dimension) ~ ' and searched exactly.') %}
    {% endif %}
{% endmacro %}
