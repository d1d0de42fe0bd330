{#-
    Fails with the pairs of a result (knn, duplicate_pairs, a table of your own) whose two rows are not of one space, or
    are not there under the model_id that the pair states.
-#}
{% test no_cross_space_pairs(model, relation, queries=none, left_key='left_key', right_key='right_key', model_id='model_id', left_model_id=none, key=none, queries_key=none) %}
{% set right = samespace._as_relation(relation, 'no_cross_space_pairs', key=key) %}
{% set left = samespace._as_relation(queries, 'no_cross_space_pairs', key=queries_key) if queries is not none else right %}
{% set stated = ['__samespace_pair.' ~ (left_model_id or model_id), '__samespace_pair.' ~ model_id] %}
with __samespace_pairs as (
    select
        __samespace_pair.*,
        exists (
            select 1
            from {{ left.sql }} as l
            where l.{{ left.key_sql }} = __samespace_pair.{{ left_key }} and {{ samespace.exact_text('l.' ~ left.model_id_sql) }} = {{ samespace.exact_text(stated[0]) }}
        ) as left_found,
        exists (
            select 1
            from {{ right.sql }} as r
            where r.{{ right.key_sql }} = __samespace_pair.{{ right_key }} and {{ samespace.exact_text('r.' ~ right.model_id_sql) }} = {{ samespace.exact_text(stated[1]) }}
        ) as right_found,
        coalesce({{ samespace.same_space(stated[0], stated[1]) }}, false) as one_space
    from (select * from {{ model }}) as __samespace_pair
),

final as (
    select *
    from __samespace_pairs
    where not (left_found and right_found and one_space)
)

select * from final
{% endtest %}
