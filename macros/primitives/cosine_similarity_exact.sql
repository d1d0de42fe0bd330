{#-
    SQL: cosine similarity in double precision, from -1 to 1, of two usable vectors (see usable_vector). For the few rows
    that a result shows, so that engines and kernels agree on six decimals. `type` is the data type of both, where it is known.
-#}
{% macro cosine_similarity_exact(left, right, type=none) %}
    {{ return(adapter.dispatch('cosine_similarity_exact', 'samespace')(left, right, type)) }}
{% endmacro %}

{% macro default__cosine_similarity_exact(left, right, type) %}
    {{ samespace._raise('cosine_similarity_exact', "the adapter '" ~ target.type ~ "' has no cosine similarity here; use duckdb") }}
{% endmacro %}

{#- DuckDB clamps to [-1, 1] itself; the CASE because list functions take no NULL.
    https://duckdb.org/docs/stable/sql/functions/list -#}
{% macro duckdb__cosine_similarity_exact(left, right, type) %}
    {{ return('(case when ' ~ left ~ ' is not null and ' ~ right ~ ' is not null then list_cosine_similarity(cast('
        ~ left ~ ' as double[]), cast(' ~ right ~ ' as double[])) end)') }}
{% endmacro %}

{#-
    pgvector sums products in fp32, but vector_norm() in double precision, so the product comes from lengths: with d = l - r it
    is (|l|2 + |r|2 - |d|2) / 2. What rounding took from d is known exactly (Knuth's two-sum: d + e = l - r), and d * e gives
    it back. Twenty times faster than summing the numbers one by one, which is left for lengths too far apart for it
    (there the inner product refuses vectors of two dimensions, as `-` does elsewhere). `offset 0` keeps the planner from writing
    each vector out wherever it is named. `place` is the quoted schema of pgvector where no search_path names it.
    Shewchuk, https://doi.org/10.1007/PL00009321
-#}
{% macro postgres__cosine_similarity_exact(left, right, type=none, place=none) %}
{% set norm = (place ~ '.' if place else '') ~ 'vector_norm' %}
{% set plus, minus, product = samespace._operators(['+', '-', '<#>'], place) %}
{% set l, r = samespace._pgvector(left, type, place), samespace._pgvector(right, type, place) %}
{% set rest = '(d ' ~ minus ~ ' l)' %}
{% set lost = '((l ' ~ minus ~ ' (d ' ~ minus ~ ' ' ~ rest ~ ')) ' ~ minus ~ ' (r ' ~ plus ~ ' ' ~ rest ~ '))' %}
{% set by_lengths = '(select greatest(-1, least(1, (nl * nl + nr * nr - nd * nd + 2 * de) / (2 * nl * nr))) from (select '
    ~ norm ~ '(d) as nd, d ' ~ product ~ ' ' ~ lost ~ ' as de from (select l ' ~ minus ~ ' r as d offset 0) as difference offset 0) as lengths)' %}
    {{ return('(select case when nl * nr between 1e-12 and 1e12 and nl / nr between 0.01 and 100 then ' ~ by_lengths
        ~ ' when nl > 0 and nr > 0 and l ' ~ product ~ ' r is not null then ' ~ samespace._cosine_by_numbers('l', 'r')
        ~ ' end from (select ' ~ l ~ ' as l, ' ~ r ~ ' as r, ' ~ norm ~ '(' ~ l ~ ') as nl, ' ~ norm ~ '(' ~ r ~ ') as nr offset 0) as measured)') }}
{% endmacro %}


{#- Operators of pgvector as SQL; `place` as above. -#}
{% macro _operators(names, place=none) %}
    {% set operators = [] %}
    {% for name in names %}{% do operators.append('operator(' ~ place ~ '.' ~ name ~ ')' if place else name) %}{% endfor %}
    {{ return(operators) }}
{% endmacro %}


{#- https://www.postgresql.org/docs/current/functions-array.html -#}
{% macro _cosine_by_numbers(left, right) %}
    {{ return('(select greatest(-1, least(1, sum(x * y) / (sqrt(sum(x * x)) * sqrt(sum(y * y))))) '
        ~ 'from unnest(cast(cast(' ~ left ~ ' as real[]) as double precision[]), cast(cast(' ~ right ~ ' as real[]) as double precision[])) '
        ~ 'as numbers(x, y))') }}
{% endmacro %}
