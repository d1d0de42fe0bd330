{#- Fails with one row per model_id of which fewer than `min_share` of the rows have a usable vector. -#}
{% test embedding_coverage(model, column_name=none, min_share=1, model_id='model_id') %}
with __samespace_counts as (
    select
        {{ model_id }} as model_id,
        count(*) as row_count,
        sum(case when {{ samespace.usable_vector(column_name or 'embedding') }} then 1 else 0 end) as embedded
    from {{ model }}
    group by 1
),

final as (
    select
        model_id,
        row_count,
        embedded,
        1.0 * embedded / row_count as share
    from __samespace_counts
    where embedded < {{ min_share }} * row_count
)

select * from final
{% endtest %}
