{#- SQL: one row per word of a text column, with `columns` of the row and `word` (lower case letters and digits). -#}
{% macro unnest_words(rows, text, columns) %}
    {{ return(adapter.dispatch('unnest_words', 'samespace')(rows, text, columns)) }}
{% endmacro %}

{% macro default__unnest_words(rows, text, columns) %}
    {{ samespace._raise('cluster_labels', "the adapter '" ~ target.type ~ "' cannot split texts into words here; use duckdb") }}
{% endmacro %}

{#- \p{M} keeps the combining marks of other scripts inside their words. Numbers alone are no words.
    https://duckdb.org/docs/stable/sql/functions/regular_expressions -#}
{% macro duckdb__unnest_words(rows, text, columns) %}
    {{ return('select ' ~ (columns | join(', ')) ~ ", unnest(regexp_extract_all(lower(" ~ text
        ~ "), '[\\p{L}\\p{N}]*\\p{L}[\\p{L}\\p{M}\\p{N}]*')) as word\n    from " ~ rows) }}
{% endmacro %}
