{#-
    SQL: cosine similarity (-1 to 1) of two structs of model_id and embedding, each evaluated once. `different` is SQL of
    a condition on pair.l and pair.r under which the query stops. NULL where a vector is NULL, zero or not finite.
-#}
{% macro struct_similarity(left, right, different) %}
    {{ return(adapter.dispatch('struct_similarity', 'samespace')(left, right, different)) }}
{% endmacro %}

{% macro default__struct_similarity(left, right, different) %}
    {{ samespace._raise('similarity', "the adapter '" ~ target.type ~ "' has no struct of model_id and embedding; use duckdb") }}
{% endmacro %}

{#- https://duckdb.org/docs/stable/sql/functions/lambda -#}
{% macro duckdb__struct_similarity(left, right, different) %}
    {% set comparable = samespace.usable_vector('pair.l.embedding') ~ ' and ' ~ samespace.usable_vector('pair.r.embedding') %}
    {{ return('list_transform([struct_pack(l := ' ~ left ~ ', r := ' ~ right ~ ')], lambda pair: case when ' ~ different
        ~ " then cast(error('samespace.similarity: the left vector is ' || coalesce(pair.l.model_id, 'without a model_id') "
        ~ "|| '; the right one is ' || coalesce(pair.r.model_id, 'without a model_id') || '. They are different spaces. "
        ~ "Re-embed one side, or pick one model.') as double) when " ~ comparable ~ ' then '
        ~ samespace.cosine_similarity_exact('pair.l.embedding', 'pair.r.embedding') ~ ' end)[1]') }}
{% endmacro %}
