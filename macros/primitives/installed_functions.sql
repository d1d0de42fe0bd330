{#-
    What `install` creates: {statements, names, then}, `then` being a sentence for the log. `relations` is a list of
    {database, schema, identifier, key, embedding}. The bodies are in installed_functions_<engine>.sql.
-#}
{% macro installed_functions(relations) %}
    {{ return(adapter.dispatch('installed_functions', 'samespace')(relations)) }}
{% endmacro %}

{% macro default__installed_functions(relations) %}
    {{ samespace._raise('install', "the adapter '" ~ target.type ~ "' has no functions to install here; use duckdb or pgvector") }}
    {{ return({'statements': [], 'names': [], 'then': ''}) }}
{% endmacro %}
