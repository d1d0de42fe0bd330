{#-
    Groups of near-duplicates with the row to keep: key, group_id, group_size, canonical_key, is_canonical,
    similarity_to_canonical, min_similarity, model_id; rows of groups of two and more.
-#}
{% macro duplicates(relation, threshold=0.9, linkage='canonical', order_by=none, method='auto', where=none, key=none, embedding=none) %}
    {{ return(adapter.dispatch('duplicates', 'samespace')(relation, threshold, linkage, order_by, method, where, key, embedding)) }}
{% endmacro %}

{% macro default__duplicates(relation, threshold, linkage, order_by, method, where, key, embedding) %}
    {% set info = samespace._as_relation(relation, 'duplicates', key=key, embedding=embedding) %}
    {{ samespace._check_args('duplicates', [
        {'name': 'linkage', 'value': linkage, 'rule': 'one_of', 'allowed': ['canonical', 'components']},
        {'name': 'order_by', 'value': order_by, 'rule': 'optional_text'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
    ]) }}
    {{ samespace._check_thresholds(threshold, 'duplicates', info) }}
    {{ samespace._say_unseen('duplicates', info) }}
    {% if samespace._use_kernel('duplicates', method, 'duplicates', [info]) %}
        {{ return(samespace._duplicates_by_kernel(info, threshold, linkage, order_by, where)) }}
    {% endif %}
    {{ samespace._say_left_out('duplicates', info) }}
    {{ return(samespace._duplicates_by_sql(info, threshold, linkage, order_by, where)) }}
{% endmacro %}


{% macro _duplicates_by_kernel(info, threshold, linkage, order_by, where) %}
{% set sql %}
with __samespace_found as (
    select * from {{ samespace.run_kernel('duplicates', {
        'macro': 'duplicates', 'title': info.title, 'linkage': linkage,
        'select': samespace._kernel_rows(info, where, order_by=order_by), 'state': samespace.rows_state([info]),
        'threshold': samespace._thresholds(threshold, 'duplicates'),
    }) }} as found
),

__samespace_keys as ({{ samespace._kernel_keys(info) }}
),

final as (
    select
        member.key,
        found.group_id,
        found.group_size,
        canonical.key as canonical_key,
        found.member = found.canonical as is_canonical,
        found.similarity_to_canonical,
        found.min_similarity,
        member.model_id
    from __samespace_found as found
    inner join __samespace_keys as member on member.ordinal = found.member
    inner join __samespace_keys as canonical
        on canonical.ordinal = found.canonical and {{ samespace.same_space('canonical.model_id', 'member.model_id') }}
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}
