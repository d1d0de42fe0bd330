{#- Why this connection has no kernel, as a sentence that says what to do, or ''. -#}
{% macro kernel_missing(kernel) %}
    {{ return(adapter.dispatch('kernel_missing', 'samespace')(kernel)) }}
{% endmacro %}

{% macro default__kernel_missing(kernel) %}
    {{ return("the adapter '" ~ target.type ~ "' runs no kernels; duckdb and pgvector do") }}
{% endmacro %}

{% macro duckdb__kernel_missing(kernel) %}
    {{ return('' if samespace.function_exists('samespace_' ~ kernel) else 'it needs the function samespace_' ~ kernel
        ~ ', which is not registered on this connection. Add these lines to the output in profiles.yml:\nplugins:\n'
        ~ '  - module: samespace.duckdb_plugin') }}
{% endmacro %}

{% macro postgres__kernel_missing(kernel) %}
    {{ return("type: postgres runs no kernels. Say type: pgvector in profiles.yml (the adapter comes with pip install 'samespace[pgvector]'"
        ~ '); the other fields stay as they are.') }}
{% endmacro %}

{#- The adapter itself runs them: python/dbt/adapters/pgvector. -#}
{% macro pgvector__kernel_missing(kernel) %}
    {{ return('') }}
{% endmacro %}
