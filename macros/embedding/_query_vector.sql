{#-
    SQL: the vector of a query text as a typed literal. It is embedded once, when the model renders for a real run or
    for `show`, and kept in the cache; compile, docs and list never load a model and get a typed NULL.
-#}
{% macro _query_vector(model, text, macro) %}
    {% set spec = samespace._spec(model, macro) %}
    {% if not execute or flags.WHICH not in ['run', 'build', 'retry', 'show', 'test', 'run-operation', 'clone'] %}
        {{ return('/* the vector of the query text is filled in when the model runs */ '
            ~ samespace.to_vector('null', spec.dimension)) }}
    {% elif graph.nodes is not defined %}
        {{ samespace._raise(macro, 'a unit test does not load a model. Pass query_vector= and query_model= there, or override samespace._query_vector.') }}
    {% elif text is not string or not (text | trim) %}
        {{ samespace._raise(macro, 'the query text is ' ~ tojson(text, text | string) ~ '; expected a text that is not blank') }}
    {% endif %}
    {{ return(adapter.dispatch('query_vector', 'samespace')(spec, text, macro)) }}
{% endmacro %}
