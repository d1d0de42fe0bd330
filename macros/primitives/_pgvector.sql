{#-
    Plain arrays of numbers are vectors too on PostgreSQL, and only they may hold NaN, infinity or rows of several lengths.
    The type of an expression is asked while the query runs (25 ns), so no macro has to know it beforehand; the branch
    not taken only has to parse. https://www.postgresql.org/docs/current/functions-info.html
-#}
{% macro _is_array(vector) %}
    {{ return('pg_typeof(' ~ vector ~ ") in ('real[]'::regtype, 'double precision[]'::regtype, 'numeric[]'::regtype)") }}
{% endmacro %}


{#- SQL: vector, halfvec, array or text form as a `vector`; free where it is one. Mixed types have no operators. A cast that
    does nothing is planned all the same, so it is left out where the type is known. `place` is the schema of pgvector. -#}
{% macro _pgvector(vector, type=none, place=none) %}
    {{ return(vector if type and type.startswith('vector') else 'cast(' ~ vector ~ ' as ' ~ (place ~ '.' if place else '') ~ 'vector)') }}
{% endmacro %}


{#- Whether a data type, as the adapter names it, is one of pgvector's, which hold no NaN and no infinity. -#}
{% macro _is_pgvector(type) %}
    {{ return(type is not none and (type.startswith('vector') or type.startswith('halfvec'))) }}
{% endmacro %}
