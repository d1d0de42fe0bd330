{#- The option `index` of an embedding model, checked and with its defaults: {type, m, ef_construction, build}. -#}
{% macro _index_options(value, title) %}
    {% set problems = samespace._index_problems(value) %}
    {% if problems %}
        {{ samespace._raise('embedding', 'the config of ' ~ title ~ ' has problems:\n  - ' ~ (problems | join('\n  - '))) }}
    {% endif %}
    {% set given = value if value is mapping else {'type': value or 'none'} %}
    {% set m = given.get('m') or 16 %}
    {{ return({'type': given.type, 'm': m, 'ef_construction': given.get('ef_construction') or [64, 2 * m] | max,
               'build': given.get('build') or 'auto'}) }}
{% endmacro %}


{#- What is wrong with it, as sentences. The limits are those of pgvector, which are also the names. -#}
{% macro _index_problems(value) %}
    {% set problems = [] %}
    {% if value is not mapping %}
        {% if value is not none and (value is not string or value not in ['hnsw', 'none']) %}
            {% do problems.append('index is ' ~ tojson(value, value | string)
                ~ '; expected hnsw, none, or {type: hnsw, m: 16, ef_construction: 64, build: auto}') %}
        {% endif %}
        {{ return(problems) }}
    {% endif %}
    {% set unknown = value.keys() | reject('in', ['type', 'm', 'ef_construction', 'build']) | list %}
    {% if unknown %}
        {% do problems.append('index has no field ' ~ (unknown | join(', ')) ~ '; expected type, m, ef_construction, build') %}
    {% endif %}
    {% for name, default, allowed in [('type', '', ['hnsw', 'none']), ('build', 'auto', ['auto', 'always'])] %}
        {% set given = value.get(name) if value.get(name) is not none else default %}
        {% if given is not string or given not in allowed %}
            {% do problems.append('index.' ~ name ~ ' is ' ~ tojson(value.get(name), value.get(name) | string) ~ '; expected ' ~ (allowed | join(' or '))) %}
        {% endif %}
    {% endfor %}
    {% for name, least, most in [('m', 2, 100), ('ef_construction', 4, 1000)] %}
        {% set given = value.get(name) %}
        {% if given is not none and (given is boolean or given is not integer or given < least or given > most) %}
            {% do problems.append('index.' ~ name ~ ' is ' ~ tojson(given, given | string) ~ '; expected a whole number from ' ~ least ~ ' to ' ~ most) %}
        {% endif %}
    {% endfor %}
    {% if not problems and value.get('ef_construction') is not none and value.ef_construction < 2 * (value.get('m') or 16) %}
        {% do problems.append('index.ef_construction is ' ~ value.ef_construction ~ '; expected at least 2 * m = ' ~ 2 * (value.get('m') or 16)) %}
    {% endif %}
    {{ return(problems) }}
{% endmacro %}
