{#-
    The option `index` of an embedding model, checked and with its defaults: {type, build} and the fields of its type: m and
    ef_construction; cells, probes (none: as many as the rows call for) and recall.
-#}
{% macro _index_options(value, title) %}
    {% set problems = samespace._index_problems(value) %}
    {% if problems %}
        {{ samespace._raise('embedding', 'the config of ' ~ title ~ ' has problems:\n  - ' ~ (problems | join('\n  - '))) }}
    {% endif %}
    {% set given = value if value is mapping else {'type': value or 'none'} %}
    {% if given.type == 'ivf' %}
        {{ return({'type': 'ivf', 'cells': given.get('cells') if given.get('cells') is integer else none, 'recall': given.get('recall') or 0.95,
                   'probes': given.get('probes') if given.get('probes') is integer else none, 'build': given.get('build') or 'auto'}) }}
    {% endif %}
    {% set m = given.get('m') or 16 %}
    {{ return({'type': given.type, 'm': m, 'ef_construction': given.get('ef_construction') or [64, 2 * m] | max,
               'build': given.get('build') or 'auto'}) }}
{% endmacro %}


{#- What is wrong with it, as sentences. -#}
{% macro _index_problems(value) %}
    {% if value is not mapping %}
        {{ return([] if value is none or (value is string and value in ['hnsw', 'ivf', 'none']) else ['index is ' ~ tojson(value, value | string)
            ~ '; expected hnsw, ivf, none, {type: hnsw, m: 16, ef_construction: 64, build: auto}, or '
            ~ '{type: ivf, cells: auto, recall: 0.95, probes: auto, build: auto}']) }}
    {% endif %}
    {% set ivf = value.get('type') == 'ivf' %}
    {% set fields = ['type', 'cells', 'recall', 'probes', 'build'] if ivf else ['type', 'm', 'ef_construction', 'build'] %}
    {% set problems, unknown = [], value.keys() | reject('in', fields) | list %}
    {% if unknown %}
        {% do problems.append('index has no field ' ~ (unknown | join(', ')) ~ '; expected ' ~ (fields | join(', '))) %}
    {% endif %}
    {% for name, default, allowed in [('type', '', ['hnsw', 'ivf', 'none']), ('build', 'auto', ['auto', 'always'])] %}
        {% set given = value.get(name) if value.get(name) is not none else default %}
        {% if given is not string or given not in allowed %}
            {% do problems.append('index.' ~ name ~ ' is ' ~ tojson(value.get(name), value.get(name) | string) ~ '; expected '
                ~ (allowed[:-1] | join(', ')) ~ ' or ' ~ allowed[-1]) %}
        {% endif %}
    {% endfor %}
    {{ return(problems + (samespace._ivf_problems(value) if ivf else samespace._hnsw_problems(value, problems | length > 0))) }}
{% endmacro %}


{#- The limits are those of pgvector, which are also the names. -#}
{% macro _hnsw_problems(value, more) %}
    {% set problems = [] %}
    {% for name, least, most in [('m', 2, 100), ('ef_construction', 4, 1000)] %}
        {% if value.get(name) is not none and not samespace._whole_between(value[name], least, most) %}
            {% do problems.append('index.' ~ name ~ ' is ' ~ tojson(value[name], value[name] | string) ~ '; expected a whole number from ' ~ least ~ ' to ' ~ most) %}
        {% endif %}
    {% endfor %}
    {% if not more and not problems and value.get('ef_construction') is not none and value.ef_construction < 2 * (value.get('m') or 16) %}
        {% do problems.append('index.ef_construction is ' ~ value.ef_construction ~ '; expected at least 2 * m = ' ~ 2 * (value.get('m') or 16)) %}
    {% endif %}
    {{ return(problems) }}
{% endmacro %}


{% macro _ivf_problems(value) %}
    {% set problems = [] %}
    {% for name in ['cells', 'probes'] %}
        {% set given = value.get(name) %}
        {% if given is not none and given != 'auto' and not samespace._whole_between(given, 1, 32768) %}
            {% do problems.append('index.' ~ name ~ ' is ' ~ tojson(given, given | string) ~ '; expected auto or a whole number from 1 to 32768') %}
        {% endif %}
    {% endfor %}
    {% set recall = value.get('recall') %}
    {% if recall is not none and (recall is boolean or recall is not number or recall < 0.5 or recall > 0.999) %}
        {% do problems.append('index.recall is ' ~ tojson(recall, recall | string) ~ '; expected a number from 0.5 to 0.999: the share of '
            ~ 'the 10 nearest rows that a search finds') %}
    {% endif %}
    {{ return(problems) }}
{% endmacro %}


{% macro _whole_between(value, least, most) %}
    {{ return(value is integer and value is not boolean and value >= least and value <= most) }}
{% endmacro %}
