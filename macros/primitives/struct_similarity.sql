{#-
    SQL: cosine similarity (-1 to 1) of two structs of model_id and embedding (or two aliases of rows that have both). The
    query stops where samespace._differ holds. NULL where a vector is NULL, zero or not finite.
-#}
{% macro struct_similarity(left, right) %}
    {{ return(adapter.dispatch('struct_similarity', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__struct_similarity(left, right) %}
    {{ samespace._raise('similarity', "the adapter '" ~ target.type ~ "' has no struct of model_id and embedding; use duckdb") }}
{% endmacro %}

{#- Each struct is evaluated once. https://duckdb.org/docs/stable/sql/functions/lambda -#}
{% macro duckdb__struct_similarity(left, right) %}
    {% set comparable = samespace.usable_vector('pair.l.embedding') ~ ' and ' ~ samespace.usable_vector('pair.r.embedding') %}
    {{ return('list_transform([struct_pack(l := ' ~ left ~ ', r := ' ~ right ~ ')], lambda pair: case when '
        ~ samespace._differ('pair.l', 'pair.r') ~ ' then cast(error(' ~ samespace._differ_message('pair.l', 'pair.r')
        ~ ') as double) when ' ~ comparable ~ ' then ' ~ samespace.cosine_similarity_exact('pair.l.embedding', 'pair.r.embedding')
        ~ ' end)[1]') }}
{% endmacro %}

{#- Parentheses make fields of a row or composite. https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-ACCESSING -#}
{% macro postgres__struct_similarity(left, right) %}
    {% set l, r = '(' ~ left ~ ')', '(' ~ right ~ ')' %}
    {{ return('(case when ' ~ samespace._differ(l, r) ~ ' then case when ' ~ samespace.error_if('true', samespace._differ_message(l, r))
        ~ ' then cast(null as double precision) end when ' ~ samespace.usable_vector(l ~ '.embedding') ~ ' and ' ~ samespace.usable_vector(r ~ '.embedding')
        ~ ' then ' ~ samespace.cosine_similarity_exact(l ~ '.embedding', r ~ '.embedding') ~ ' end)') }}
{% endmacro %}
