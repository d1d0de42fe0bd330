{#-
    All rows within a similarity of each row: of the same relation without itself, or of another one, `queries`.
    Columns: query_key, neighbour_key, similarity, model_id (and query_model_id where the project declares same_space_as).
-#}
{% macro within_threshold(relation, queries=none, threshold=0.9, method='auto', max_pairs=5000000, where=none, key=none, embedding=none, queries_key=none, queries_embedding=none) %}
    {{ return(adapter.dispatch('within_threshold', 'samespace')(relation, queries, threshold, method, max_pairs, where, key, embedding, queries_key, queries_embedding)) }}
{% endmacro %}

{% macro default__within_threshold(relation, queries, threshold, method, max_pairs, where, key, embedding, queries_key, queries_embedding) %}
    {{ samespace._check_args('within_threshold', [
        {'name': 'max_pairs', 'value': max_pairs, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
    ]) }}
    {% set sides = samespace._two_sides('within_threshold', relation, queries, key, embedding, queries_key, queries_embedding) %}
    {% for info in sides.infos %}{{ samespace._check_thresholds(threshold, 'within_threshold', info) }}{% endfor %}
    {% if samespace._use_kernel('within_threshold', method, 'within_threshold', sides.infos) %}
        {{ return(samespace._within_by_kernel(sides, threshold, max_pairs, where)) }}
    {% endif %}
    {% for info in sides.infos %}{{ samespace._say_left_out('within_threshold', info) }}{% endfor %}
    {{ return(samespace._within_by_sql(sides, threshold, max_pairs, where)) }}
{% endmacro %}


{% macro _within_by_kernel(sides, threshold, max_pairs, where) %}
{% set more = {'threshold': samespace._thresholds(threshold, 'within_threshold'), 'max_pairs': max_pairs} %}
{% set sql %}
{{ samespace._kernel_ctes('within_threshold', sides, where, more) }},

final as (
    select
        q.key as query_key,
        n.key as neighbour_key,
        found.similarity,
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


{#- The fast similarity of the join may miss the exact one a little, so it gets slack. -#}
{% macro _within_by_sql(sides, threshold, max_pairs, where) %}
{% set limit = samespace._threshold_sql(threshold, 'within_threshold', 'n.model_id') %}
{% set too_many = samespace.string_literal('samespace.within_threshold: ') ~ ' || pairs || '
    ~ samespace.string_literal(" pairs of '" ~ sides.info.title ~ "' reach the threshold; max_pairs is " ~ max_pairs
    ~ '. Raise threshold, or raise max_pairs.') %}
{% set sql %}
{{ samespace._sides_sql('within_threshold', sides, where) }},

__samespace_scored as (
    select
        q.ordinal as query,
        n.ordinal as neighbour,
        {{ samespace.rounded(samespace.cosine_similarity_exact('q.embedding', 'n.embedding')) }} as similarity,
        {{ limit }} as least
    from __samespace_queries as q
    inner join __samespace_rows as n on {{ samespace._meets(sides) }}
    where {{ samespace.cosine_similarity('n.embedding', 'q.embedding') }} >= {{ limit }} - 0.0001
),

__samespace_guarded as (
    select query, neighbour, similarity from __samespace_scored where similarity >= least
    union all
    select s.query, s.neighbour, s.similarity
    from __samespace_guard as g
    left join __samespace_scored as s on false
    where not g.passed
),

__samespace_counted as (
    select
        *,
        count(*) over () as pairs
    from __samespace_guarded
),

final as (
    select
        q.key as query_key,
        n.key as neighbour_key,
        counted.similarity,
        {{ samespace._neighbour_model_ids('n', 'q') }}
    from __samespace_counted as counted
    inner join __samespace_queries as q on q.ordinal = counted.query
    inner join __samespace_rows as n on n.ordinal = counted.neighbour
    where {{ samespace.error_if('pairs > ' ~ max_pairs, too_many) }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}
