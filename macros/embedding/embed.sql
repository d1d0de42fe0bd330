{#- SQL expression: struct(model_id, embedding) of a text, computed by the Python function of the plugin. -#}
{% macro embed(model, expression, role='document') %}
    {% do samespace._check_encodes('embed', expression, role) %}
    {% set spec = samespace._spec(model, 'embed') %}
    {{ return(samespace.vector_struct(spec.model_id, samespace._encoded(spec, expression, role))) }}
{% endmacro %}


{#- SQL: the two columns model_id and embedding of a text column, for a select list. -#}
{% macro embed_columns(model, column, role='document') %}
    {% do samespace._check_encodes('embed_columns', column, role) %}
    {% set spec = samespace._spec(model, 'embed_columns') %}
    {{ return(samespace.string_literal(spec.model_id) ~ ' as model_id, ' ~ samespace._encoded(spec, column, role) ~ ' as embedding') }}
{% endmacro %}


{#- Blank and NULL texts have no vector, like in the materialization. -#}
{% macro _encoded(spec, expression, role) %}
    {% set text = 'case when ' ~ samespace.is_blank('(' ~ expression ~ ')') ~ ' then null else (' ~ expression ~ ') end' %}
    {{ return(samespace.encoded_text(samespace._encoder_request(spec), text, role, spec.dimension)) }}
{% endmacro %}


{% macro _check_encodes(macro, expression, role) %}
    {% do samespace._check_args(macro, [
        {'name': 'column' if macro == 'embed_columns' else 'expression', 'value': expression, 'rule': 'text'},
        {'name': 'role', 'value': role, 'rule': 'one_of', 'allowed': ['document', 'query']}]) %}
    {% if execute and config.get('materialized') in ['view', 'ephemeral'] and model.resource_type == 'model' %}
        {{ samespace._raise(macro, 'a ' ~ config.get('materialized') ~ ' that encodes fails in every client without Python, and encodes '
            ~ 'again on each read. Make the model a table, an incremental table or an embedding relation.') }}
    {% endif %}
    {% do samespace.require_encoder(macro) %}
{% endmacro %}


{#- What the Python functions need to know: the spec, and where the registry is. -#}
{% macro _encoder_request(spec) %}
    {{ return(tojson({'spec': samespace._as_sent(spec), 'catalog': target.database, 'schema': var('samespace_schema', 'samespace')}, sort_keys=true)) }}
{% endmacro %}


{% macro _require_function(macro, name) %}
    {% if execute and not samespace.function_exists(name) %}
        {{ samespace._raise(macro, 'needs the samespace plugin, which this connection has not loaded. Add to the target in profiles.yml:\n'
            ~ '  plugins:\n    - module: samespace.duckdb_plugin') }}
    {% endif %}
{% endmacro %}
