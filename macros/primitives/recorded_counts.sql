{#-
    {model_id: rows} of a table that samespace built, as embedding_relations has it, or none where the rows have to be
    counted. Written in the transaction that wrote the rows, so it says what they were then: for messages and for choosing
    a way. What a statement refuses, it refuses by the rows.
-#}
{% macro recorded_counts(info) %}
    {{ return(adapter.dispatch('recorded_counts', 'samespace')(info)) }}
{% endmacro %}

{#- DuckDB counts a million rows in some 20 ms. -#}
{% macro default__recorded_counts(info) %}
    {{ return(none) }}
{% endmacro %}

{#- PostgreSQL reads the whole table to count it. How many rows each of several models has is not recorded. -#}
{% macro postgres__recorded_counts(info) %}
    {% if info.built and info.recorded_rows is not none and info.model_ids | length == 1 %}
        {{ return({info.model_ids[0]: info.recorded_rows | int} if info.recorded_rows else {}) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
