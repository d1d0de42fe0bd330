{#-
    SQL: one text that changes with the keys or model_ids of any of these relations. A kernel reads what is committed and
    answers in row numbers; where this text differs on both sides, those numbers would name other rows.
-#}
{% macro rows_state(infos) %}
    {{ return(adapter.dispatch('rows_state', 'samespace')(infos)) }}
{% endmacro %}

{% macro default__rows_state(infos) %}
    {{ samespace._raise('rows_state', "the adapter '" ~ target.type ~ "' runs no kernels here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/utility#hashvalue -#}
{% macro duckdb__rows_state(infos) %}
    {% set states = [] %}
    {% for info in infos %}
        {% do states.append("(select concat(count(*), '/', sum(hash(" ~ info.key_sql ~ ', ' ~ info.model_id_sql ~ '))) from ' ~ info.sql ~ ')') %}
    {% endfor %}
    {{ return(states | join(" || ' ' || ")) }}
{% endmacro %}

{#-
    Each row is one hash: that of the model_id, seeded with that of the key, so that ('ab', 'c') is not ('a', 'bc'). Of
    bytes: a hash of text depends on its collation. https://www.postgresql.org/docs/current/collation.html
-#}
{% macro postgres__rows_state(infos) %}
    {% set states = [] %}
    {% for info in infos %}
        {% set key = 'coalesce(hashtextextended(' ~ samespace.exact_text(info.key_sql) ~ ', 0), 1)' %}
        {% set row = 'coalesce(hashtextextended(' ~ samespace.exact_text(info.model_id_sql) ~ ', ' ~ key ~ '), ' ~ key ~ ')' %}
        {% do states.append("(select concat(count(*), '/', sum(" ~ row ~ ')) from ' ~ info.sql ~ ')') %}
    {% endfor %}
    {{ return(states | join(" || ' ' || ")) }}
{% endmacro %}
