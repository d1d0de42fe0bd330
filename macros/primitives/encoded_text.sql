{#-
    SQL: the vector of a text expression, by the function samespace_embed of the plugin. Its error column stops the
    query with a sentence; `list_transform` makes sure that the function is called once per row.
-#}
{% macro encoded_text(request, text, role, dimension) %}
    {{ return(adapter.dispatch('encoded_text', 'samespace')(request, text, role, dimension)) }}
{% endmacro %}

{% macro default__encoded_text(request, text, role, dimension) %}
    {{ samespace._raise('embed', "the adapter '" ~ target.type ~ "' cannot encode inside a query; use an embedding model, or duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/lambda -#}
{% macro duckdb__encoded_text(request, text, role, dimension) %}
    {{ return(samespace.to_vector('list_transform([samespace_embed(' ~ samespace.string_literal(request) ~ ', ' ~ text ~ ', '
        ~ samespace.string_literal(role) ~ ')], lambda answer: case when answer.error is null then answer.embedding '
        ~ 'else error(answer.error) end)[1]', dimension)) }}
{% endmacro %}
