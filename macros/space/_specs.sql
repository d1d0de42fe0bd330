{#- All models of the var samespace_models, validated and linked: {name: spec}. Raises once, with every problem. -#}
{% macro _specs() %}
    {% set entries = var('samespace_models', {}) or {} %}
    {% set specs, problems = {}, [] %}
    {% if entries is not mapping %}
        {{ samespace._raise('models', 'the var samespace_models is ' ~ tojson(entries, entries | string)
            ~ '; expected a mapping of model names to specs') }}
        {{ return({}) }}
    {% endif %}
    {% for name, entry in entries.items() %}
        {% set read = samespace._read_spec(name, entry) %}
        {% do problems.extend(read.problems) %}
        {% if not read.problems %}{% do specs.update({name: read.spec}) %}{% endif %}
    {% endfor %}
    {% for name, spec in specs.items() %}
        {% do problems.extend(samespace._link_problems(spec, specs, entries)) %}
    {% endfor %}
    {% if problems %}
        {{ samespace._raise('models', 'the var samespace_models has ' ~ (problems | length)
            ~ (' problem' if problems | length == 1 else ' problems') ~ ':\n  - ' ~ (problems | join('\n  - '))) }}
        {{ return({}) }}
    {% endif %}
    {{ return(samespace._linked(specs)) }}
{% endmacro %}


{#- What is wrong with a spec's same_space_as: one root per space, no cycles or chains, one dimension. -#}
{% macro _link_problems(spec, specs, entries) %}
    {% set root = spec.same_space_as %}
    {% if root is none or (root in entries and root not in specs) %}
        {{ return([]) }}
    {% elif root not in specs %}
        {{ return([spec.name ~ ".same_space_as: names '" ~ root ~ "'; known models: " ~ (entries.keys() | join(', '))]) }}
    {% elif root == spec.name %}
        {{ return([spec.name ~ '.same_space_as: names itself; leave it out']) }}
    {% elif specs[root].same_space_as is not none %}
        {{ return([spec.name ~ ".same_space_as: names '" ~ root ~ "', which itself declares same_space_as '"
            ~ specs[root].same_space_as ~ "'; name the root of the space instead"]) }}
    {% elif specs[root].dimension != spec.dimension %}
        {{ return([spec.name ~ '.same_space_as: ' ~ spec.name ~ ' has dimension ' ~ spec.dimension ~ ', ' ~ root
            ~ ' has ' ~ specs[root].dimension ~ '; vectors of one space have one dimension']) }}
    {% endif %}
    {{ return([]) }}
{% endmacro %}


{#- Add digest, model_id, space and partner. Roots first: a tower's fingerprint holds its partner's id. -#}
{% macro _linked(specs) %}
    {% for spec in specs.values() if spec.same_space_as is none or spec.verify %}
        {% do samespace._fingerprint(spec, spec.fingerprinted) %}
    {% endfor %}
    {% for spec in specs.values() if spec.same_space_as is not none and not spec.verify %}
        {% do samespace._fingerprint(spec, dict(spec.fingerprinted, same_space_as=specs[spec.same_space_as].model_id)) %}
    {% endfor %}
    {% for spec in specs.values() %}
        {% set root = samespace._root_of(spec, specs) %}
        {% set twins = specs.values() | selectattr('digest', 'equalto', root.digest) | map(attribute='model_id') | sort %}
        {% do spec.update({
            'space': twins | first,
            'partner': samespace._as_sent(specs[spec.same_space_as]) if spec.same_space_as else none,
        }) %}
    {% endfor %}
    {{ return(specs) }}
{% endmacro %}


{#- The root of a spec's space: what it declares, or what a spec of the same fingerprint declares, or itself. -#}
{% macro _root_of(spec, specs) %}
    {% for other in [spec] + specs.values() | list if other.digest == spec.digest and other.same_space_as is not none %}
        {{ return(specs[other.same_space_as]) }}
    {% endfor %}
    {{ return(spec) }}
{% endmacro %}


{% macro _fingerprint(spec, fields) %}
    {% set digest = local_md5(tojson(fields, sort_keys=true)) %}
    {% do spec.update({'digest': digest, 'model_id': spec.name ~ '@' ~ digest[:8]}) %}
{% endmacro %}


{#- The part of a spec that Python receives (see samespace/spec.py). -#}
{% macro _as_sent(spec) %}
    {% set sent = {} %}
    {% for key in ['name', 'model_id', 'digest', 'provider', 'dimension', 'identity', 'load_from', 'runtime',
                   'trust_remote_code', 'space', 'verify', 'partner'] %}
        {% do sent.update({key: spec.get(key)}) %}
    {% endfor %}
    {{ return(sent) }}
{% endmacro %}


{#- The spec of one model by its short name. Unknown names stop with the list of known ones. -#}
{% macro _spec(model, macro='models') %}
    {% set specs = samespace._specs() %}
    {% if model in specs %}
        {{ return(specs[model]) }}
    {% elif specs %}
        {{ samespace._raise(macro, "there is no model '" ~ model ~ "' in the var samespace_models; known models: "
            ~ (specs.keys() | sort | join(', '))) }}
    {% else %}
        {{ samespace._raise(macro, "needs the model '" ~ model ~ "', but the var samespace_models is empty here. "
            ~ 'Define it at the top level of vars: in dbt_project.yml (not under the name of a package):\n'
            ~ 'vars:\n  samespace_models:\n    ' ~ model ~ ':\n      provider: hashing\n      model: char-ngrams\n'
            ~ '      dimension: 256') }}
    {% endif %}
    {{ return({'name': model, 'model_id': model ~ '@00000000', 'dimension': 1, 'digest': '0' * 32, 'space': model ~ '@00000000',
               'identity': {}, 'provider': 'hashing', 'runtime': {}, 'verify': true}) }}
{% endmacro %}


{% macro _model_names() %}
    {{ return(samespace._specs().keys() | sort) }}
{% endmacro %}
