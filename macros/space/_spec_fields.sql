{#-
    The identity fields of each provider with their types and frozen defaults. A default that changes vectors
    never changes: fields equal to their default are left out of the fingerprint, so that ids stay what they are.
-#}
{% macro _spec_fields(provider) %}
    {% set shared = {
        'model': {'type': 'text', 'required': true},
        'version': {'type': 'text', 'default': none},
        'dimension': {'type': 'count', 'required': true},
        'normalize': {'type': 'flag', 'default': true},
    } %}
    {% set hub = {'revision': {'type': 'text', 'default': none}, 'prompts': {'type': 'prompts', 'default': {}}} %}
    {% set cut = {'truncate_dimension': {'type': 'count', 'default': none}} %}
    {% set window = {'max_seq_length': {'type': 'count', 'default': none}} %}
    {% set own = {
        'sentence-transformers': dict(hub, **dict(cut, **window)),
        'static': dict(hub, **cut),
        'word-vectors': {'lowercase': {'type': 'flag', 'default': true}},
        'onnx': dict(hub, **dict(window, **{
            'pooling': {'type': 'choice', 'allowed': ['mean', 'cls', 'max', 'none'], 'default': 'mean'},
            'output': {'type': 'text', 'default': none},
        })),
        'hashing': {
            'analyzer': {'type': 'choice', 'allowed': ['char', 'char_wb', 'word'], 'default': 'char_wb'},
            'ngram_min': {'type': 'count', 'default': 2},
            'ngram_max': {'type': 'count', 'default': 4},
            'lowercase': {'type': 'flag', 'default': true},
        },
    } %}
    {% set third_party = dict(hub, **dict(cut, **dict(window, **{'options': {'type': 'mapping', 'default': {}}}))) %}
    {{ return(dict(shared, **own.get(provider, third_party))) }}
{% endmacro %}


{#- What a spec may hold beside its identity: where the weights are, how fast to run, which space it belongs to. -#}
{% macro _spec_other_fields(provider) %}
    {{ return({
        'provider': {'type': 'text', 'required': true},
        'load_from': {'type': 'location'},
        'runtime': {'type': 'runtime', 'allowed': samespace._runtime_fields(provider)},
        'trust_remote_code': {'type': 'flag'},
        'same_space_as': {'type': 'text'},
        'verify': {'type': 'flag'},
    }) }}
{% endmacro %}


{#- Location and speed settings. A key that nothing reads would be a setting that silently does nothing. -#}
{% macro _runtime_fields(provider) %}
    {% set own = {
        'sentence-transformers': ['device', 'batch_size', 'threads', 'engine', 'precision'], 'onnx': ['batch_size', 'threads'],
        'static': [], 'word-vectors': [], 'hashing': [],
    } %}
    {{ return(own.get(provider, ['device', 'batch_size', 'threads', 'engine', 'base_url', 'timeout', 'price'])) }}
{% endmacro %}
