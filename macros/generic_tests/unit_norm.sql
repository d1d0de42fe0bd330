{#- Fails with the rows whose vector is not of length 1, and that length. NULL vectors are left to embedding_coverage. -#}
{% test unit_norm(model, column_name=none, tolerance=0.001) %}
{% set embedding = column_name or 'embedding' %}
with __samespace_lengths as (
    select
        {{ samespace.star_except('r', [embedding], samespace._columns_of(model)) }},
        {{ samespace.vector_norm('r.' ~ embedding) }} as norm
    from (select * from {{ model }}) as r
    where r.{{ embedding }} is not null
),

final as (
    select *
    from __samespace_lengths
    where coalesce(norm not between 1 - {{ tolerance }} and 1 + {{ tolerance }}, true)
)

select * from final
{% endtest %}
