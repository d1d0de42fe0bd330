{#- SQL: an expression (a vector, a list, or its text form '[1, 2]') as a vector of this length. -#}
{% macro to_vector(expression, dimension, storage=none) %}
    {{ return('cast(' ~ expression ~ ' as ' ~ samespace.vector_type(dimension, storage) ~ ')') }}
{% endmacro %}
