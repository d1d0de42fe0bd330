{#- A query text embedded now, once, as a typed literal. -#}
{% macro default__query_vector(spec, text, macro) %}
    {{ samespace._raise(macro, "the adapter '" ~ target.type ~ "' cannot embed a query text here; use duckdb or pgvector, or pass query_vector= and query_model=") }}
{% endmacro %}

{#- The list prints with the shortest digits that read back as the same floats. -#}
{% macro duckdb__query_vector(spec, text, macro) %}
    {% do samespace._require_function(macro, 'samespace_query_vector') %}
    {% set answer = run_query('select cast(answer.embedding as varchar), answer.error from (select samespace_query_vector('
        ~ samespace.string_literal(samespace._encoder_request(spec)) ~ ', ' ~ samespace.string_literal(text) ~ ') as answer) as t').rows[0] %}
    {% if answer[1] is not none %}
        {{ samespace._raise(macro, answer[1].replace('samespace: ', '', 1)) }}
    {% endif %}
    {{ return(samespace.to_vector(samespace.string_literal(answer[0]), spec.dimension)) }}
{% endmacro %}

{#- Embedded by the adapter, on dbt's own connection, while the model renders. -#}
{% macro pgvector__query_vector(spec, text, macro) %}
    {% set answer = adapter.samespace_job('query_vector', tojson(dict(fromjson(samespace._encoder_request(spec)), text=text, grants=samespace._grants()))) %}
    {% if answer.error %}
        {{ samespace._raise(macro, answer.error.replace('samespace: ', '', 1)) }}
    {% endif %}
    {{ return(samespace.to_vector(samespace.string_literal(answer.vector), spec.dimension)) }}
{% endmacro %}
