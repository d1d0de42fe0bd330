{#-
    Whether an engine keeps the rows of a relation in cells: the column __samespace_cell, by which the table is sorted, and
    one centroid per cell. 0 is a row in no cell, which every search reads; NULL is a row without a vector.
-#}
{% macro keeps_cells() %}
    {{ return(adapter.dispatch('keeps_cells', 'samespace')()) }}
{% endmacro %}

{% macro default__keeps_cells() %}
    {{ return(false) }}
{% endmacro %}

{% macro duckdb__keeps_cells() %}
    {{ return(true) }}
{% endmacro %}


{#- What is recorded of the cells of a relation: {model_id: {cells, dimension, rows, rows_trained, appended, asked}}. -#}
{% macro _cell_facts(relation) %}
    {% set table, facts = samespace._own_table('ivf_indexes'), {} %}
    {% if samespace.table_exists(table) %}
        {% for row in run_query('select model_id, cells, dimension, rows, rows_trained, appended, asked from ' ~ table ~ ' where '
            ~ samespace._cells_of(relation)).rows %}
            {% do facts.update({row[0]: {'cells': row[1] | int, 'dimension': row[2] | int, 'rows': row[3] | int,
                                         'rows_trained': row[4] | int, 'appended': row[5] | int, 'asked': row[6]}}) %}
        {% endfor %}
    {% endif %}
    {{ return(facts) }}
{% endmacro %}


{#- SQL: whether a row of the tables of cells is of this relation. Without the database, so that a copied file finds its own. -#}
{% macro _cells_of(relation, alias='') %}
    {{ return(alias ~ 'schema_name = ' ~ samespace.string_literal(relation.schema) ~ ' and ' ~ alias ~ 'identifier = '
        ~ samespace.string_literal(relation.identifier)) }}
{% endmacro %}


{#- What `statement(language='python')` runs to train cells or to assign rows to them. `request` is JSON. -#}
{% macro cells_job_code(request) %}
    {{ return(adapter.dispatch('cells_job_code', 'samespace')(request)) }}
{% endmacro %}

{% macro default__cells_job_code(request) %}
    {{ samespace._raise('embedding', "the adapter '" ~ target.type ~ "' keeps no cells; use duckdb") }}
{% endmacro %}

{% macro duckdb__cells_job_code(request) %}
    {{ return(samespace.duckdb__fill_job_code(request) | replace('samespace.io.duckdb_job', 'samespace.io._cells')) }}
{% endmacro %}


{#-
    CTEs that end in __samespace_probed (query, cell): the cells to read for each row of `queries` (query, embedding,
    model_id). `sizes` is SQL of cell and rows: the rows that may be found, counted now, so that nothing can be too few. A cell
    that nobody knows, 0 among them, is read by every query. `apart` says what the cells are ranked within, none for one
    query in one model. Not materialized: DuckDB then hands the scan a Bloom filter of the cells, which skips the others.
    https://duckdb.org/docs/stable/sql/query_syntax/with
-#}
{% macro _probed_ctes(relation, queries, sizes, dimension, k, apart) %}
{% set sql %}
__samespace_centroids as (
    select c.model_id, c.cell, c.centroid, b.budget
    from {{ samespace._own_table('ivf_cells_' ~ dimension) }} as c
    left join (
        select
            model_id,
            greatest(
                {{ k + samespace._slack() + 1 }},
                ceil(rows * least(1, share_10 * pow(share_100 / share_10, greatest(0, log10({{ k }} / 10.0)))))
            ) as budget
        from {{ samespace._own_table('ivf_indexes') }}
        where {{ samespace._cells_of(relation) }}
    ) as b on b.model_id = c.model_id
    where {{ samespace._cells_of(relation, 'c.') }}
),

__samespace_ordered_cells as (
    select
        query,
        cell,
        budget,
        sum(case when model_id is null then 0 else rows end) over (
            {{ 'partition by ' ~ apart if apart }} order by similarity desc nulls first, cell
            rows between unbounded preceding and 1 preceding
        ) as before
    from (
        select
            q.query,
            s.cell,
            s.rows,
            c.model_id,
            c.budget,
            array_inner_product(c.centroid, q.embedding) as similarity
        from ({{ sizes }}) as s
        left join __samespace_centroids as c on c.cell = s.cell
        cross join {{ queries }} as q
        where c.cell is null or {{ samespace.same_space('c.model_id', 'q.model_id') }}
    ) as compared
),

__samespace_probed as not materialized (
    select query, cell
    from __samespace_ordered_cells
    where coalesce(before < budget, true)
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}
