{#- The options of an embedding model: config keys of their own, or the same keys under meta: {samespace: ...}. -#}
{% macro _embedding_config(config_mapping) %}
    {% set meta = (config_mapping.get('meta') or {}).get('samespace') or {} %}
    {% set options = {} %}
    {% for name in ['model', 'key', 'text', 'role', 'cache', 'embed_empty', 'allow_empty', 'storage', 'index', 'page_rows'] %}
        {% set value = config_mapping.get(name) %}
        {% do options.update({name: value if value is not none else meta.get(name)}) %}
    {% endfor %}
    {{ return(options) }}
{% endmacro %}


{#- Those options checked, with defaults and the specs of their models. Raises once, with every problem. -#}
{% macro _embedding_options(title) %}
    {% set given = {} %}
    {% for name in ['model', 'key', 'text', 'role', 'cache', 'embed_empty', 'allow_empty', 'storage', 'index', 'page_rows', 'meta'] %}
        {% do given.update({name: config.get(name)}) %}
    {% endfor %}
    {% set options = samespace._embedding_config(given) %}
    {% set problems = [] %}
    {% for name in ['key', 'text'] if options[name] is not string or not options[name] %}
        {% do problems.append(name ~ ' is ' ~ tojson(options[name], options[name] | string) ~ '; expected the name of one column') %}
    {% endfor %}
    {% set role = options.role or 'document' %}
    {% if role not in ['document', 'query'] %}
        {% do problems.append("role is '" ~ role ~ "'; expected document or query") %}
    {% endif %}
    {% for name in ['cache', 'embed_empty', 'allow_empty'] if options[name] is not none and options[name] is not boolean %}
        {% do problems.append(name ~ ' is ' ~ tojson(options[name], options[name] | string) ~ '; expected true or false') %}
    {% endfor %}
    {% if options.page_rows is not none and (options.page_rows is boolean or options.page_rows is not integer or options.page_rows < 1) %}
        {% do problems.append('page_rows is ' ~ tojson(options.page_rows, options.page_rows | string) ~ '; expected a whole number of at least 1') %}
    {% endif %}
    {% if options.storage not in [none, 'vector', 'halfvec'] %}
        {% do problems.append('storage is ' ~ tojson(options.storage, options.storage | string) ~ '; expected vector or halfvec') %}
    {% endif %}
    {% do problems.extend(samespace._index_problems(options.index)) %}
    {% set names = [options.model] if options.model is string else (options.model or []) %}
    {% if not names or names | unique | list | length != names | length %}
        {% do problems.append('model is ' ~ tojson(options.model, options.model | string)
            ~ '; expected the name of a model, or a list of different names, out of: ' ~ (samespace._model_names() | join(', '))) %}
    {% endif %}
    {% if problems %}
        {{ samespace._raise('embedding', 'the config of ' ~ title ~ ' has problems:\n  - ' ~ (problems | join('\n  - '))) }}
    {% endif %}
    {{ return({
        'key': options.key, 'text': options.text, 'role': role, 'cache': options.cache is not sameas false,
        'embed_empty': options.embed_empty is sameas true, 'allow_empty': options.allow_empty is sameas true,
        'storage': options.storage, 'index': options.index,
        'page_rows': options.page_rows or 16384, 'specs': samespace._specs_of(names, title),
    }) }}
{% endmacro %}


{% macro _specs_of(names, title) %}
    {% set specs = [] %}
    {% for name in names %}{% do specs.append(samespace._spec(name, 'embedding')) %}{% endfor %}
    {% set dimensions = specs | map(attribute='dimension') | unique | list %}
    {% if dimensions | length > 1 %}
        {{ samespace._raise('embedding', title ~ ' names models of dimensions ' ~ (dimensions | join(', '))
            ~ ': one column holds vectors of one length. Make one embedding model (file) for each: ' ~ (names | join(', '))) }}
    {% endif %}
    {{ return(specs) }}
{% endmacro %}
