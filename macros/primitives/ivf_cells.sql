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
    SQL of the rows of each cell of a relation, counted now, so that nothing can be too few: cell, rows, and where a filter is
    given `passing`, those that pass it, in cells where any does.
-#}
{% macro _cell_sizes(info, where) %}
{% if not where %}
    {{ return('select __samespace_cell as cell, count(*) as rows from ' ~ info.sql ~ ' where __samespace_cell is not null group by 1') }}
{% endif %}
{% set sql %}
select cell, count(*) as rows, count(passes) as passing
        from (
            select __samespace_cell as cell, case when ({{ where }}
            ) then 1 end as passes
            from {{ info.sql }}
            where __samespace_cell is not null
        ) as filtered
        group by cell
        having count(passes) > 0
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#-
    CTEs that end in __samespace_probed: the cells to read for each row of `queries` (embedding, model_id, and `query` where
    there are several). A cell that nobody knows, 0 among them, is read by every query. `apart` says what the cells are ranked
    within, nothing for one query in one model. With a filter, what was read so far counts as the geometric mean of the rows and
    of those that pass. Not materialized: DuckDB then hands the scan a Bloom filter of the cells, which skips the others.
    https://duckdb.org/docs/stable/sql/query_syntax/with
-#}
{% macro _probed_ctes(info, queries, dimension, k, where, apart, id=none) %}
{% set sides = apart | map('replace', 'query', 'q.query') | map('replace', 'model_id', 'c.model_id') | list %}
{% set sql %}
__samespace_ordered_cells as (
    select
        {{ 'query,' if 'query' in apart }}
        cell,
        budget,
        {{ 'sum(case when known then passing else 0 end) over nearer as passing,' if where }}
        sum(case when known then rows else 0 end) over nearer as before
    from (
        select
            {{ sides | map('string') | join(', ') ~ ',' if sides }}
            s.*,
            b.budget,
            c.cell is not null as known,
            array_inner_product(c.centroid, q.embedding) as similarity
        from ({{ samespace._cell_sizes(info, where) }}) as s
        left join (
            select cell, model_id, centroid
            from {{ samespace._own_table('ivf_cells_' ~ dimension) }}
            where {{ samespace._cells_of(info.relation) }}
        ) as c on c.cell = s.cell
        left join (
            select
                model_id,
                ceil(rows * least(1, share_10 * pow(share_100 / share_10, {{ '0' if k <= 10 else 'log10(' ~ k ~ ' / 10.0)' }}))) as budget
            from {{ samespace._own_table('ivf_indexes') }}
            where {{ samespace._cells_of(info.relation) }}
        ) as b on b.model_id = c.model_id
        cross join {{ queries }} as q
        where c.cell is null or {{ samespace.same_space('c.model_id', id or 'q.model_id') }}
    ) as compared
    window nearer as (
        {{ 'partition by ' ~ (apart | join(', ')) if apart }} order by similarity desc nulls first, cell rows between unbounded preceding and 1 preceding
    )
),

__samespace_probed as not materialized (
    select {{ 'query,' if 'query' in apart }} cell
    from __samespace_ordered_cells
    where coalesce({{ 'passing' if where else 'before' }} < {{ k + samespace._slack() + 1 }} or {{ 'sqrt(before * passing)' if where else 'before' }} < budget, true)
)
{%- endset %}
{{ return(sql) }}
{% endmacro %}
