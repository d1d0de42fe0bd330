{#-
    SQL by which a key is ordered and compared, the same on every engine: texts by their bytes. `type` is the data type of
    its column; where it is unknown (none), the result is for `order by` only, and sorts_before compares.
-#}
{% macro sort_key(expression, type=none) %}
    {{ return(adapter.dispatch('sort_key', 'samespace')(expression, type)) }}
{% endmacro %}

{#- DuckDB compares texts by their bytes. -#}
{% macro default__sort_key(expression, type) %}
    {{ return(expression) }}
{% endmacro %}

{#- A database sorts texts by its locale. https://www.postgresql.org/docs/current/collation.html -#}
{% macro postgres__sort_key(expression, type) %}
    {% if type is none %}
        {{ return(samespace._bytes_of_text(expression) ~ ', ' ~ expression) }}
    {% endif %}
    {{ return(samespace.exact_text(expression) if samespace.is_text_type(type) else expression) }}
{% endmacro %}


{#- SQL: whether a key comes before another one in that order. -#}
{% macro sorts_before(left, right, type=none) %}
    {{ return(adapter.dispatch('sorts_before', 'samespace')(left, right, type)) }}
{% endmacro %}

{% macro default__sorts_before(left, right, type) %}
    {{ return(samespace.sort_key(left, type) ~ ' < ' ~ samespace.sort_key(right, type)) }}
{% endmacro %}

{% macro postgres__sorts_before(left, right, type) %}
    {% if type is none %}
        {{ return('coalesce(' ~ samespace._bytes_of_text(left) ~ ' < ' ~ samespace._bytes_of_text(right) ~ ', ' ~ left ~ ' < ' ~ right ~ ')') }}
    {% endif %}
    {{ return(samespace.default__sorts_before(left, right, type)) }}
{% endmacro %}


{#- Asked while the query runs: NULL for what is no text. https://www.postgresql.org/docs/current/functions-info.html -#}
{% macro _bytes_of_text(expression) %}
    {{ return('case when pg_typeof(' ~ expression ~ ") in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype) "
        ~ 'then convert_to(cast(' ~ expression ~ " as text), 'UTF8') end") }}
{% endmacro %}
