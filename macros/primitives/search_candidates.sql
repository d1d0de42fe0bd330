{#-
    SQL of a select, the first pass of a search: the `amount` rows most similar to __samespace_query by fast similarity, then
    by key. Columns: what `source` has (of an addressed one only __samespace_row, the key and what ranking them needs), and
    __samespace_fast, which is NULL for rows that cannot be compared. `unit` says that all vectors have length 1.
-#}
{% macro search_candidates(info, asked, source, amount, addressed, unit) %}
    {{ return(adapter.dispatch('search_candidates', 'samespace')(info, asked, source, amount, addressed, unit)) }}
{% endmacro %}

{% macro default__search_candidates(info, asked, source, amount, addressed, unit) %}
    {{ samespace._raise('search', "the adapter '" ~ target.type ~ "' has no SQL for a search here; use duckdb") }}
{% endmacro %}

{#-
    An inner product is computed in 0.7 of the time of a cosine. DuckDB clamps a cosine of NaN to -1, and sorts NaN first: so
    each row of no clear similarity is looked at again, which costs nothing where there is none; NULL is that of a row of
    another space. In a `where`, the
    similarity would be computed twice. Comparing ids that only rows know is no filter either: it would be a join that copies
    every vector. A query that is no unit vector scales all products alike.
    https://duckdb.org/docs/stable/sql/functions/array
-#}
{% macro duckdb__search_candidates(info, asked, source, amount, addressed, unit) %}
{% set fast = (samespace.inner_product if unit else samespace.cosine_similarity)('r.' ~ info.embedding_sql, 'q.embedding') ~ (' / q.length' if unit else '') %}
{% set fast = fast if asked.id else 'case when ' ~ samespace.same_space('r.' ~ info.model_id_sql, 'q.model_id') ~ ' then ' ~ fast ~ ' end' %}
{% set clear = 'between -1.1 and 1.1' if unit else '> -1' %}
{% set columns = ['r.__samespace_row', 'r.' ~ info.key_sql, 'r.' ~ info.embedding_sql] if addressed else ['r.*'] %}
{% set names = ['c.__samespace_row', 'c.' ~ info.key_sql, 'c.' ~ info.embedding_sql] if addressed else ['c.* exclude (__samespace_first)'] %}
{% set query = '(select embedding, ' ~ samespace.vector_norm('embedding') ~ ' as length from __samespace_query)' if unit else '__samespace_query' %}
{% set sql %}
select
        {{ names | join(',\n        ') }},
        case
            when c.__samespace_first {{ clear }} then c.__samespace_first
            {{ '' if unit else 'when c.__samespace_first is not null and ' ~ samespace.usable_vector('c.' ~ info.embedding_sql) ~ ' then -1' }}
        end as __samespace_fast
    from (
        select
            {{ columns | join(',\n            ') }},
            {{ fast }} as __samespace_first
        from (
            {{ source }}
        ) as r
        cross join {{ query }} as q
        where {{ samespace.same_space('r.' ~ info.model_id_sql, asked.id_sql) if asked.id else 'true' }}{{ ' and ' ~ asked.others if asked.others else '' }}
    ) as c
    order by __samespace_fast desc nulls last, {{ samespace.sort_key('c.' ~ info.key_sql, info.key_type) }}
    limit {{ amount }}
{%- endset %}
{{ return(sql) }}
{% endmacro %}

{#-
    The query comes as a subquery, which is evaluated once and lets the server read with several workers; `exists` keeps a
    query without a row from being NULL. least() takes the NaN of a zero vector for the largest number, so that it comes
    last, and is a number that no index knows: this is the exact way. A sort keeps every row that it is given before it
    compares, so the rows are narrow where they have an address.
    https://www.postgresql.org/docs/current/parallel-safety.html
-#}
{% macro postgres__search_candidates(info, asked, source, amount, addressed, unit) %}
{% set distance = 'least(' ~ samespace._pgvector('r.' ~ info.embedding_sql, info.vector_type) ~ ' <=> (select ' ~ samespace._pgvector('q.embedding', asked.type)
    ~ ' from __samespace_query as q limit 1), 2)' %}
{% set usable = 'r.' ~ info.embedding_sql ~ ' is not null' if info.built else samespace.usable_vector('r.' ~ info.embedding_sql, info.vector_type) %}
{% set sql %}
select *, 1 - __samespace_distance as __samespace_fast
    from (
        select
            {{ 'r.__samespace_row' if addressed else 'r.*' }},
            {{ distance }} as __samespace_distance
        from (
            {{ source }}
        ) as r
        where {{ samespace.same_space('r.' ~ info.model_id_sql, asked.id_sql) }}{{ ' and ' ~ asked.others if asked.others else '' }}
            and {{ usable }}
            and exists (select 1 from __samespace_query)
        order by __samespace_distance, {{ samespace.sort_key('r.' ~ info.key_sql, info.key_type) }}
        limit {{ amount }}
    ) as c
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#-
    The column by which two scans of one statement name the same row of a table that samespace built, or none: what is no
    plain table has none. `select *` of such a table with it is a source for search_candidates.
-#}
{% macro row_address(info) %}
    {{ return(adapter.dispatch('row_address', 'samespace')(info)) }}
{% endmacro %}

{% macro default__row_address(info) %}
    {{ return(none) }}
{% endmacro %}

{#- A column of that name would hide it. https://duckdb.org/docs/stable/sql/statements/select#row-ids -#}
{% macro duckdb__row_address(info) %}
    {{ return('rowid' if info.built and 'rowid' not in info.columns | map('lower') | list else none) }}
{% endmacro %}

{#- https://www.postgresql.org/docs/current/ddl-system-columns.html -#}
{% macro postgres__row_address(info) %}
    {{ return('ctid' if info.built else none) }}
{% endmacro %}


{#- Whether the first pass of a search hands on the vectors of an addressed source: where reading them again costs more. -#}
{% macro keeps_vectors() %}
    {{ return(adapter.dispatch('keeps_vectors', 'samespace')()) }}
{% endmacro %}

{% macro default__keeps_vectors() %}
    {{ return(false) }}
{% endmacro %}

{#- Compressed in blocks of 2,048 rows, of which each has to be unpacked again for one. -#}
{% macro duckdb__keeps_vectors() %}
    {{ return(true) }}
{% endmacro %}
