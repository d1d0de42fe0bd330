{#-
    SQL: cosine similarity in double precision, from -1 to 1, of two usable vectors (see usable_vector). For the few rows
    that a result shows, so that engines and kernels agree on six decimals.
-#}
{% macro cosine_similarity_exact(left, right) %}
    {{ return(adapter.dispatch('cosine_similarity_exact', 'samespace')(left, right)) }}
{% endmacro %}

{% macro default__cosine_similarity_exact(left, right) %}
    {{ samespace._raise('cosine_similarity_exact', "the adapter '" ~ target.type ~ "' has no cosine similarity here; use duckdb") }}
{% endmacro %}

{#- DuckDB clamps to [-1, 1] itself; the CASE because list functions take no NULL.
    https://duckdb.org/docs/stable/sql/functions/list -#}
{% macro duckdb__cosine_similarity_exact(left, right) %}
    {{ return('(case when ' ~ left ~ ' is not null and ' ~ right ~ ' is not null then list_cosine_similarity(cast('
        ~ left ~ ' as double[]), cast(' ~ right ~ ' as double[])) end)') }}
{% endmacro %}

{#- pgvector sums in fp32. A NULL gives no rows to unnest; greatest() would ignore the NULL of their sum, so CASE keeps it.
    unnest() fills the shorter side up with NULL. https://www.postgresql.org/docs/current/functions-array.html -#}
{% macro postgres__cosine_similarity_exact(left, right) %}
    {% set unequal = samespace.error_if('lefts <> rights', "'samespace: vectors of ' || lefts || ' and ' || rights || ' numbers cannot be compared'") %}
    {{ return('(select case when lefts > 0 and rights > 0 and ' ~ unequal ~ ' and norm > 0 then greatest(-1, least(1, product / norm)) end '
        ~ 'from (select count(l) as lefts, count(r) as rights, sum(l * r) as product, sqrt(sum(l * l)) * sqrt(sum(r * r)) as norm '
        ~ 'from (select cast(l as double precision) as l, cast(r as double precision) as r '
        ~ 'from unnest(cast(' ~ samespace._pgvector(left) ~ ' as real[]), cast(' ~ samespace._pgvector(right)
        ~ ' as real[])) as pair(l, r)) as pairs) as sums)') }}
{% endmacro %}
