{#- Stop where no query can encode a text on this connection. -#}
{% macro require_encoder(macro) %}
    {{ return(adapter.dispatch('require_encoder', 'samespace')(macro)) }}
{% endmacro %}

{% macro default__require_encoder(macro) %}
    {{ samespace._raise(macro, "the adapter '" ~ target.type ~ "' cannot encode inside a query; use an embedding model, or duckdb") }}
{% endmacro %}

{% macro duckdb__require_encoder(macro) %}
    {% if execute and flags.WHICH in ['run', 'build', 'retry', 'show', 'test'] %}
        {% do samespace._require_function(macro, 'samespace_embed') %}
    {% endif %}
{% endmacro %}

{#- PL/Python is an untrusted language: https://www.postgresql.org/docs/current/plpython.html -#}
{% macro postgres__require_encoder(macro) %}
    {{ samespace._raise(macro, 'a query cannot encode a text on ' ~ target.type ~ ': there is no Python in the server. Make the texts an '
        ~ "embedding model, {{ config(materialized='embedding', model=..., key=..., text=...) }}, and join it by its key; a query text goes "
        ~ "into samespace.search(relation, 'the text').") }}
{% endmacro %}
