{#- SQL: all columns of the relation behind `alias` except some, for a select list. `columns` are plain names. -#}
{% macro star_except(alias, columns) %}
    {{ return(adapter.dispatch('star_except', 'samespace')(alias, columns)) }}
{% endmacro %}

{% macro default__star_except(alias, columns) %}
    {{ samespace._raise('star_except', "the adapter '" ~ target.type ~ "' cannot leave columns out of a star here; use duckdb") }}
{% endmacro %}

{#- Works for CTEs of unit tests too, whose columns nobody can list. https://duckdb.org/docs/stable/sql/expressions/star -#}
{% macro duckdb__star_except(alias, columns) %}
    {% set names = [] %}
    {% for column in columns %}{% do names.append(samespace._quote(column)) %}{% endfor %}
    {{ return(alias ~ '.* exclude (' ~ (names | join(', ')) ~ ')') }}
{% endmacro %}
