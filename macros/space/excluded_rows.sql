{#-
    Rows that take no part in a comparison with one model, and why: model_id, rows, reason ('no model_id',
    'another space', 'no vector', 'not a usable vector').
-#}
{% macro excluded_rows(relation, model, embedding=none) %}
    {{ return(adapter.dispatch('excluded_rows', 'samespace')(relation, model, embedding)) }}
{% endmacro %}

{% macro default__excluded_rows(relation, model, embedding) %}
    {# No key is read: a name stands in for it, so that nobody has to pass one. #}
    {% set info = samespace._as_relation(relation, 'excluded_rows', key='key', embedding=embedding) %}
    {% set id = samespace.string_literal(samespace._id_of(model, 'excluded_rows')) %}
{% set sql %}
with __samespace_reasons as (
    select
        {{ info.model_id_sql }} as model_id,
        case
            when {{ info.model_id_sql }} is null then 'no model_id'
            when not {{ samespace.same_space(info.model_id_sql, id) }} then 'another space'
            when {{ info.embedding_sql }} is null then 'no vector'
            when not {{ samespace.usable_vector(info.embedding_sql) }} then 'not a usable vector'
        end as reason
    from {{ info.sql }}
),

final as (
    select
        model_id,
        count(*) as rows,
        reason
    from __samespace_reasons
    where reason is not null
    group by model_id, reason
)

select * from final order by {{ samespace.sort_key('model_id', 'text') }}, reason
{%- endset %}
    {{ return(sql) }}
{% endmacro %}
