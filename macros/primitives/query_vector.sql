{#- A query text embedded now, once, as a typed literal. -#}
{% macro default__query_vector(spec, text, macro) %}
    {{ samespace._raise(macro, "the adapter '" ~ target.type ~ "' cannot embed a query text here; use duckdb, or pass query_vector= and query_model=") }}
{% endmacro %}

{#- The list prints with the shortest digits that read back as the same floats. -#}
{% macro duckdb__query_vector(spec, text, macro) %}
    {% do samespace._require_function(macro, 'samespace_query_vector') %}
    {% set printed = run_query('select cast(samespace_query_vector(' ~ samespace.string_literal(samespace._encoder_request(spec)) ~ ', '
        ~ samespace.string_literal(text) ~ ') as varchar)').rows[0][0] %}
    {{ return(samespace.to_vector(samespace.string_literal(printed), spec.dimension)) }}
{% endmacro %}
