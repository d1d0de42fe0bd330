{#- The column type of vectors of this length; `storage` is the option of that name, where the engine has several types. -#}
{% macro vector_type(dimension, storage=none) %}
    {{ return(adapter.dispatch('vector_type', 'samespace')(dimension, storage)) }}
{% endmacro %}

{% macro default__vector_type(dimension, storage) %}
    {{ samespace._raise('vector_type', "the adapter '" ~ target.type ~ "' has no vector type here; use duckdb or pgvector") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/data_types/array -#}
{% macro duckdb__vector_type(dimension, storage) %}
    {{ return('FLOAT[' ~ dimension ~ ']') }}
{% endmacro %}

{#- halfvec: half the space, 11 bits of precision. https://github.com/pgvector/pgvector#half-precision-vectors -#}
{% macro postgres__vector_type(dimension, storage) %}
    {{ return((storage or 'vector') ~ '(' ~ dimension ~ ')') }}
{% endmacro %}
