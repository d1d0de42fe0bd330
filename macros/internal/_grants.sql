{#- The var samespace_grants as {build: [roles], read: [roles]}. A plain list names roles that build. -#}
{% macro _grants() %}
    {% set given = var('samespace_grants', []) or [] %}
    {% set grants = given if given is mapping else {'build': [given] if given is string else given} %}
    {% set problems = [] %}
    {% for kind, roles in grants.items() %}
        {% if kind not in ['build', 'read'] or roles is string or roles is mapping or roles is not iterable
            or roles | select('string') | list | length != roles | list | length %}
            {% do problems.append(kind ~ ': ' ~ tojson(roles, roles | string)) %}
        {% endif %}
    {% endfor %}
    {% if problems %}
        {{ samespace._raise('grants', 'the var samespace_grants holds ' ~ (problems | join(', '))
            ~ '; expected a list of roles that build, or {build: [roles], read: [roles]}') }}
    {% endif %}
    {{ return({'build': grants.get('build', []), 'read': grants.get('read', [])}) }}
{% endmacro %}
