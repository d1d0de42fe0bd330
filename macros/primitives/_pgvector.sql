{#-
    Plain arrays of numbers are vectors too on PostgreSQL, and only they may hold NaN, infinity or rows of several lengths.
    The type of an expression is asked while the query runs (25 ns), so no macro has to know it beforehand; the branch
    not taken only has to parse. https://www.postgresql.org/docs/current/functions-info.html
-#}
{% macro _is_array(vector) %}
    {{ return('pg_typeof(' ~ vector ~ ") in ('real[]'::regtype, 'double precision[]'::regtype, 'numeric[]'::regtype)") }}
{% endmacro %}


{#- SQL: vector, halfvec, array or text form as a `vector`; free where it is one. Mixed types have no operators. -#}
{% macro _pgvector(vector) %}
    {{ return('cast(' ~ vector ~ ' as vector)') }}
{% endmacro %}
