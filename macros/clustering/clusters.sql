{#-
    k-means of every space of a relation: key, cluster_id, similarity_to_centroid, model_id. Kernel only: twenty rounds in
    SQL cost ten times what the kernel takes until it has converged. Clusters count from 1 in each space, largest first;
    `previous` (an earlier result, e.g. `this`) keeps its numbers.
-#}
{% macro clusters(relation, k, seed=0, previous=none, where=none, key=none, embedding=none) %}
    {{ return(adapter.dispatch('clusters', 'samespace')(relation, k, seed, previous, where, key, embedding)) }}
{% endmacro %}

{% macro default__clusters(relation, k, seed, previous, where, key, embedding) %}
    {% set info = samespace._as_relation(relation, 'clusters', key=key, embedding=embedding) %}
    {{ samespace._check_args('clusters', [
        {'name': 'k', 'value': k, 'rule': 'positive_integer'},
        {'name': 'seed', 'value': seed + 1 if seed is integer else seed, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
    ]) }}
    {% do samespace._use_kernel('clusters', 'kernel', 'clusters', [info]) %}
    {{ samespace._say_unseen('clusters', info) }}
    {# The first run of `previous=this` has nothing to start from. #}
    {% set before = previous if execute and previous is not none and load_relation(previous) is not none else none %}
{% set sql %}
with __samespace_found as (
    select * from {{ samespace.run_kernel('clusters', {
        'macro': 'clusters', 'title': info.title, 'k': k, 'seed': seed,
        'select': samespace._kernel_rows(info, where, previous=before), 'state': samespace.rows_state([info]),
    }) }} as found
),

__samespace_keys as ({{ samespace._kernel_keys(info) }}
),

final as (
    select
        member.key,
        found.cluster_id,
        found.similarity_to_centroid,
        member.model_id
    from __samespace_found as found
    inner join __samespace_keys as member on member.ordinal = found.member
)

select * from final
{%- endset %}
    {{ return(sql) }}
{% endmacro %}
