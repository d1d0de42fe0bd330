{#- SQL: a vector together with the model_id that it belongs to, as one value. -#}
{% macro vector_struct(model_id, vector) %}
    {{ return(adapter.dispatch('vector_struct', 'samespace')(model_id, vector)) }}
{% endmacro %}

{% macro default__vector_struct(model_id, vector) %}
    {{ samespace._raise('embed', "the adapter '" ~ target.type ~ "' has no struct of model_id and embedding; use embed_columns, or duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/data_types/struct -#}
{% macro duckdb__vector_struct(model_id, vector) %}
    {{ return('struct_pack(model_id := ' ~ samespace.string_literal(model_id) ~ ', embedding := ' ~ vector ~ ')') }}
{% endmacro %}
