{#-
    Pairs of rows of one space whose similarity reaches the threshold: left_key, right_key, similarity, model_id
    (left_model_id and right_model_id instead where the project declares same_space_as), left_key < right_key.
-#}
{% macro duplicate_pairs(relation, threshold=0.9, method='auto', max_pairs=5000000, where=none, key=none, embedding=none) %}
    {{ return(adapter.dispatch('duplicate_pairs', 'samespace')(relation, threshold, method, max_pairs, where, key, embedding)) }}
{% endmacro %}

{% macro default__duplicate_pairs(relation, threshold, method, max_pairs, where, key, embedding) %}
    {% set info = samespace._as_relation(relation, 'duplicate_pairs', key=key, embedding=embedding) %}
    {{ samespace._check_args('duplicate_pairs', [
        {'name': 'max_pairs', 'value': max_pairs, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
    ]) }}
    {{ samespace._check_thresholds(threshold, 'duplicate_pairs', info) }}
    {{ samespace._say_unseen('duplicate_pairs', info) }}
    {% if samespace._use_kernel('duplicate_pairs', method, 'duplicate_pairs', [info]) %}
        {{ return(samespace._pairs_by_kernel(info, threshold, max_pairs, where)) }}
    {% endif %}
    {{ samespace._say_left_out('duplicate_pairs', info) }}
    {{ return(samespace._pairs_by_sql(info, threshold, max_pairs, where)) }}
{% endmacro %}


{% macro _pair_model_ids(left, right) %}
    {{ return(left ~ '.model_id as left_model_id,\n        ' ~ right ~ '.model_id as right_model_id'
        if samespace._declares_spaces() else left ~ '.model_id') }}
{% endmacro %}


{% macro _pairs_by_kernel(info, threshold, max_pairs, where) %}
{% set sql %}
with __samespace_found as (
    select * from {{ samespace.run_kernel('duplicate_pairs', {
        'macro': 'duplicate_pairs', 'title': info.title, 'select': samespace._kernel_rows(info, where), 'state': samespace.rows_state([info]),
        'threshold': samespace._thresholds(threshold, 'duplicate_pairs'), 'max_pairs': max_pairs,
    }) }} as found
),

__samespace_keys as ({{ samespace._kernel_keys(info) }}
),

final as (
    select
        left_row.key as left_key,
        right_row.key as right_key,
        found.similarity,
        {{ samespace._pair_model_ids('left_row', 'right_row') }}
    from __samespace_found as found
    inner join __samespace_keys as left_row on left_row.ordinal = found.left_row
    inner join __samespace_keys as right_row
        on right_row.ordinal = found.right_row and {{ samespace.same_space('left_row.model_id', 'right_row.model_id') }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- The fast similarity of the join condition may miss the exact one a little, so it gets slack; the window
    `compared` keeps the exact one out of the join, where it would be computed for every pair. -#}
{% macro _pairs_by_sql(info, threshold, max_pairs, where) %}
{% set limit = samespace._threshold_sql(threshold, 'duplicate_pairs', 'left_model_id') %}
{% set sql %}
with __samespace_rows as (
    select
        {{ info.key_sql }} as key,
        {{ info.model_id_sql }} as model_id,
        {{ info.embedding_sql }} as embedding
    from {{ info.sql }}
    where {{ samespace.usable_vector(info.embedding_sql) }}{{ ' and (' ~ where ~ '\n)' if where else '' }}
),

__samespace_scored as (
    select
        left_row.key as left_key,
        right_row.key as right_key,
        {{ samespace.rounded(samespace.cosine_similarity_exact('left_row.embedding', 'right_row.embedding')) }} as similarity,
        left_row.model_id as left_model_id,
        right_row.model_id as right_model_id,
        count(*) over () as compared
    from __samespace_rows as left_row
    inner join __samespace_rows as right_row
        on {{ samespace.same_space('left_row.model_id', 'right_row.model_id') }}
        and {{ samespace.sorts_before('left_row.key', 'right_row.key', info.key_type) }}
    where {{ samespace.cosine_similarity('left_row.embedding', 'right_row.embedding') }}
        >= {{ samespace._threshold_sql(threshold, 'duplicate_pairs', 'left_row.model_id') }} - 0.0001
),

__samespace_counted as (
    select
        *,
        count(*) over () as pairs
    from __samespace_scored
    where similarity >= {{ limit }}
),

final as (
    select
        left_key,
        right_key,
        similarity,
        {{ 'left_model_id,\n        right_model_id' if samespace._declares_spaces() else 'left_model_id as model_id' }}
    from __samespace_counted
    where {{ samespace.error_if('pairs > ' ~ max_pairs, samespace.string_literal('samespace.duplicate_pairs: ')
        ~ " || pairs || " ~ samespace.string_literal(" pairs of '" ~ info.title ~ "' reach the threshold; max_pairs is "
        ~ max_pairs ~ '. Raise threshold, use duplicates(), or raise max_pairs.')) }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}
