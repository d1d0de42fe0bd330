{#-
    The k nearest rows of each row: of the same relation without itself, or of another one, `queries`. Columns:
    query_key, neighbour_key, similarity, rank, model_id (and query_model_id where the project declares same_space_as).
-#}
{% macro knn(relation, queries=none, k=10, method='auto', where=none, key=none, embedding=none, queries_key=none, queries_embedding=none) %}
    {{ return(adapter.dispatch('knn', 'samespace')(relation, queries, k, method, where, key, embedding, queries_key, queries_embedding)) }}
{% endmacro %}

{% macro default__knn(relation, queries, k, method, where, key, embedding, queries_key, queries_embedding) %}
    {{ samespace._check_args('knn', [
        {'name': 'k', 'value': k, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
        {'name': 'method', 'value': method, 'rule': 'one_of', 'allowed': ['auto', 'sql', 'kernel', 'index']},
    ]) }}
    {% set sides = samespace._two_sides('knn', relation, queries, key, embedding, queries_key, queries_embedding) %}
    {% set ids = samespace._held_ids('knn', sides.info).keys() | reject('none') | list if method == 'index' else [] %}
    {% set plan = samespace._index_plan('knn', sides.info, ids, k, where, 'index') if method == 'index' else none %}
    {% if plan %}
        {{ return(samespace._knn_by_index(sides, k, where, plan)) }}
    {% endif %}
    {% if samespace._use_kernel('knn', 'auto' if method == 'index' else method, 'knn', sides.infos) %}
        {{ return(samespace._knn_by_kernel(sides, k, where)) }}
    {% endif %}
    {% for info in sides.infos %}{{ samespace._say_left_out('knn', info) }}{% endfor %}
    {{ return(samespace._knn_by_sql(sides, k, where)) }}
{% endmacro %}


{% macro _knn_by_kernel(sides, k, where) %}
{% set sql %}
{{ samespace._kernel_ctes('knn', sides, where, {'k': k}) }},

final as (
    select
        q.key as query_key,
        n.key as neighbour_key,
        found.similarity,
        found.rank,
        {{ samespace._neighbour_model_ids('n', 'q') }}
    from __samespace_found as found
    inner join __samespace_queries as q on q.ordinal = found.query
    inner join __samespace_rows as n
        on n.ordinal = found.neighbour and {{ samespace.same_space('n.model_id', 'q.model_id') }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{% macro _knn_by_sql(sides, k, where) %}
{% set sql %}
{{ samespace._sides_sql('knn', sides, where) }},

__samespace_candidates as (
    {{ samespace.nearest_candidates('__samespace_queries', '__samespace_rows', samespace._meets(sides), k + samespace._slack()) }}
),

__samespace_guarded as (
    select query, neighbour from __samespace_candidates
    union all
    select c.query, c.neighbour
    from __samespace_guard as g
    left join __samespace_candidates as c on false
    where not g.passed
),

__samespace_scored as (
    select
        c.query,
        c.neighbour,
        {{ samespace.rounded(samespace.cosine_similarity_exact('q.embedding', 'n.embedding')) }} as similarity
    from __samespace_guarded as c
    inner join __samespace_queries as q on q.ordinal = c.query
    inner join __samespace_rows as n on n.ordinal = c.neighbour
),

__samespace_ranked as (
    select
        *,
        cast(row_number() over (partition by query order by similarity desc, neighbour) as integer) as rank
    from __samespace_scored
),

final as (
    select
        q.key as query_key,
        n.key as neighbour_key,
        ranked.similarity,
        ranked.rank,
        {{ samespace._neighbour_model_ids('n', 'q') }}
    from __samespace_ranked as ranked
    inner join __samespace_queries as q on q.ordinal = ranked.query
    inner join __samespace_rows as n on n.ordinal = ranked.neighbour
    where ranked.rank <= {{ k }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}
