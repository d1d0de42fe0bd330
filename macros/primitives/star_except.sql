{#-
    SQL: all columns of the relation behind `alias` except some, for a select list. `columns` are plain names; `known` are
    the names of all columns where the caller knows them; `title` names the relation in an error where they are needed.
-#}
{% macro star_except(alias, columns, known=none, title=none) %}
    {{ return(adapter.dispatch('star_except', 'samespace')(alias, columns, known, title)) }}
{% endmacro %}

{% macro default__star_except(alias, columns, known, title) %}
    {{ samespace._raise('star_except', "the adapter '" ~ target.type ~ "' cannot leave columns out of a star here; use duckdb") }}
{% endmacro %}

{#- Works for CTEs too, whose columns nobody can list: there the cell of an index of ours may be one of them, or not.
    https://duckdb.org/docs/stable/sql/expressions/star -#}
{% macro duckdb__star_except(alias, columns, known, title) %}
    {% set names = [] %}
    {% for column in columns %}{% do names.append(samespace._quote(column)) %}{% endfor %}
    {{ return(alias ~ '.* exclude (' ~ (names | join(', ')) ~ ')' ~ (" not similar to '__samespace_cell'" if known is none else '')) }}
{% endmacro %}

{#- A star cannot leave columns out. Where they are unknown it leaves none out: a unit test compares only the columns it
    expects, and what compile and docs render is not executed. https://www.postgresql.org/docs/current/sql-select.html -#}
{% macro postgres__star_except(alias, columns, known, title) %}
    {% if known is not none %}
        {% set names = [] %}
        {% for name in known if name not in columns %}{% do names.append(alias ~ '.' ~ samespace._quote(name)) %}{% endfor %}
        {{ return(names | join(',\n        ')) }}
    {% elif title and graph.nodes is defined and flags.WHICH in ['run', 'build', 'retry', 'show'] %}
        {{ samespace._raise('search', "the columns of '" ~ title ~ "' are not known: it is an ephemeral model, which is no relation "
            ~ 'of the database. Make it a view or a table.') }}
    {% endif %}
    {{ return(alias ~ '.*') }}
{% endmacro %}
