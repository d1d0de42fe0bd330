{#- Read one field: returns {value, problem}. Numbers written as text and the like are normalised here, once. -#}
{% macro _read_field(value, field) %}
    {% set type = field.type %}
    {% if value is none %}
        {{ return({'value': none, 'problem': 'is missing' if field.get('required') else none}) }}
    {% elif type == 'text' and (value is string or value is integer) and value is not boolean %}
        {% set text = value | string | trim %}
        {{ return({'value': text, 'problem': none if text else 'is empty'}) }}
    {% elif type == 'count' and value is not boolean and modules.re.fullmatch('[1-9][0-9]{0,6}', value | string) %}
        {{ return({'value': value | int, 'problem': none}) }}
    {% elif type == 'flag' and (value | string | lower) in ['true', 'false'] %}
        {{ return({'value': (value | string | lower) == 'true', 'problem': none}) }}
    {% elif type == 'choice' and value in field.allowed %}
        {{ return({'value': value, 'problem': none}) }}
    {% elif type == 'prompts' and value is mapping and (value.keys() | reject('in', ['document', 'query']) | list) == []
        and (value.values() | reject('string') | list) == [] %}
        {{ return({'value': samespace._without_empty(value), 'problem': none}) }}
    {% elif type == 'mapping' and value is mapping and tojson(value) is not none %}
        {{ return({'value': value, 'problem': none}) }}
    {% elif type == 'location' and value is string and value %}
        {{ return({'value': value, 'problem': none}) }}
    {% elif type == 'location' and value is mapping and (value.keys() | reject('in', ['model', 'tokenizer']) | list) == [] %}
        {{ return({'value': value, 'problem': none}) }}
    {% elif type == 'runtime' and value is mapping
        and (value.keys() | reject('in', field.allowed) | list) == [] %}
        {{ return({'value': value, 'problem': none}) }}
    {% endif %}
    {% set expected = {
        'text': 'a text (put quotes around it)', 'count': 'a whole number from 1 to 9999999', 'flag': 'true or false',
        'choice': 'one of ' ~ (field.get('allowed', []) | join(', ')),
        'prompts': 'a mapping of document and/or query to texts', 'mapping': 'a mapping of plain values (texts, numbers, lists, true or false)',
        'location': "a folder, 'package:<module>/<path>', or a mapping of model and tokenizer to such",
        'runtime': 'a mapping with keys from ' ~ (field.get('allowed', []) | join(', ') or '(none: this provider has no such settings)'),
    }[type] %}
    {{ return({'value': none, 'problem': 'is ' ~ tojson(value, value | string) ~ '; expected ' ~ expected}) }}
{% endmacro %}


{% macro _without_empty(mapping) %}
    {% set kept = {} %}
    {% for name, value in mapping.items() if value %}{% do kept.update({name: value}) %}{% endfor %}
    {{ return(kept) }}
{% endmacro %}


{#-
    One entry of samespace_models, read and fingerprinted: {spec, problems}. The fingerprint is the MD5 of the JSON of
    the identity with sorted keys, without the fields that equal their default. Links between models come later.
-#}
{% macro _read_spec(name, entry) %}
    {% set problems = [] %}
    {% if not modules.re.fullmatch('[A-Za-z_][A-Za-z0-9_-]*', name | string) %}
        {% do problems.append(name ~ ': a model name is made of letters, digits, _ and -, and starts with a letter or _') %}
    {% endif %}
    {% if entry is not mapping %}
        {% do problems.append(name ~ ': is ' ~ tojson(entry, entry | string) ~ '; expected a mapping with provider, model and dimension') %}
        {{ return({'spec': {}, 'problems': problems}) }}
    {% endif %}
    {% set identity_fields = samespace._spec_fields(entry.get('provider')) %}
    {% set other_fields = samespace._spec_other_fields(entry.get('provider')) %}
    {% for key in entry if key not in identity_fields and key not in other_fields %}
        {% do problems.append(name ~ '.' ~ key ~ ': is not known; allowed for provider ' ~ entry.get('provider')
            ~ ': ' ~ ((identity_fields.keys() | list + other_fields.keys() | list) | sort | join(', '))) %}
    {% endfor %}
    {% set values = {} %}
    {% set entry = dict(entry, dimension=entry.get('truncate_dimension') if entry.get('dimension') is none else entry.dimension) %}
    {% for key, field in dict(identity_fields, **other_fields).items() %}
        {% set read = samespace._read_field(entry.get(key), field) %}
        {% if read.problem %}{% do problems.append(name ~ '.' ~ key ~ ': ' ~ read.problem) %}{% endif %}
        {% do values.update({key: read.value if read.value is not none else field.get('default')}) %}
    {% endfor %}
    {% if values.truncate_dimension and values.dimension != values.truncate_dimension %}
        {% do problems.append(name ~ '.dimension: is ' ~ values.dimension ~ ' but truncate_dimension is '
            ~ values.truncate_dimension ~ '; rows hold truncate_dimension numbers, so leave dimension out or make them equal') %}
    {% endif %}
    {% if values.verify is sameas false and values.same_space_as is none %}
        {% do problems.append(name ~ '.verify: says something about same_space_as only; leave it out') %}
    {% endif %}
    {% set identity = {'provider': values.provider} %}
    {% set fingerprinted = {'provider': values.provider} %}
    {% for key, field in identity_fields.items() %}
        {% do identity.update({key: values[key]}) %}
        {% if values[key] != field.get('default') %}{% do fingerprinted.update({key: values[key]}) %}{% endif %}
    {% endfor %}
    {{ return({'problems': problems, 'spec': {
        'name': name, 'provider': values.provider, 'dimension': values.dimension, 'identity': identity,
        'fingerprinted': fingerprinted, 'load_from': values.load_from, 'runtime': values.runtime or {},
        'trust_remote_code': values.trust_remote_code or false, 'same_space_as': values.same_space_as,
        'verify': values.verify is not sameas false,
    }}) }}
{% endmacro %}
