{#- Fails with one row per space where a relation holds several, and for rows without a model_id. -#}
{% test single_space(model, column_name=none) %}
{% set model_id = column_name or 'model_id' %}
with __samespace_spaces as (
    select
        {{ samespace.space_of(model_id) }} as space,
        count(*) as row_count
    from {{ model }}
    group by 1
),

final as (
    select
        coalesce(space, 'no model_id') as space,
        row_count
    from __samespace_spaces
    where space is null or (select count(*) from __samespace_spaces) > 1
)

select * from final
{% endtest %}
