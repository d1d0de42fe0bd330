{#- SQL: inner product of two vectors of one length. Stands in for cosine similarity where all vectors have length 1. -#}
{% macro inner_product(left, right) %}
    {{ return(adapter.dispatch('inner_product', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__inner_product(left, right) %}
    {{ samespace._raise('inner_product', "the adapter '" ~ target.type ~ "' has no inner product here; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/array -#}
{% macro duckdb__inner_product(left, right) %}
    {{ return('array_inner_product(' ~ left ~ ', ' ~ right ~ ')') }}
{% endmacro %}

{#- `<#>` is the negative inner product. https://github.com/pgvector/pgvector#vector-operators -#}
{% macro postgres__inner_product(left, right) %}
    {{ return('(-(' ~ samespace._pgvector(left) ~ ' <#> ' ~ samespace._pgvector(right) ~ '))') }}
{% endmacro %}


{#-
    Whether all vectors of these model_ids in a relation have length 1, and inner product is the faster way to compare them:
    the registry measured it (unit_norm), samespace wrote the rows, and they are stored as they were measured.
-#}
{% macro unit_vectors(info, model_ids) %}
    {{ return(adapter.dispatch('unit_vectors', 'samespace')(info, model_ids)) }}
{% endmacro %}

{#- pgvector reads as long for an inner product as for a cosine. -#}
{% macro default__unit_vectors(info, model_ids) %}
    {{ return(false) }}
{% endmacro %}

{% macro duckdb__unit_vectors(info, model_ids) %}
    {% if not info.built or not model_ids or not (info.columns.get(info.embedding) or '').startswith('float[') %}
        {{ return(false) }}
    {% endif %}
    {% set table, literals = samespace._own_table('embedding_models'), [] %}
    {% for id in model_ids %}{% do literals.append(samespace.string_literal(id)) %}{% endfor %}
    {% if not samespace.table_exists(table) %}
        {{ return(false) }}
    {% endif %}
    {% set known = run_query('select count(*) from ' ~ table ~ ' where unit_norm and model_id in (' ~ (literals | join(', ')) ~ ')').rows[0][0] %}
    {{ return(known == model_ids | length) }}
{% endmacro %}
