{#-
    Fails with model_id, dimension, expected and row_count where vectors are not as long as their model's: the one in
    the var samespace_models or the registry, else `dimension`, else the most frequent length of the model_id.
-#}
{% test dims_match(model, column_name=none, dimension=none, model_id='model_id') %}
with __samespace_lengths as (
    select
        {{ model_id }} as model_id,
        {{ samespace.dimension(column_name or 'embedding') }} as dimension,
        count(*) as row_count
    from {{ model }}
    where {{ column_name or 'embedding' }} is not null
    group by 1, 2
),

__samespace_expected as (
    select
        model_id,
        dimension,
        row_count,
        {{ samespace._expected_dimension(dimension) }} as expected
    from __samespace_lengths
),

final as (
    select
        model_id,
        dimension,
        expected,
        row_count
    from __samespace_expected
    where dimension <> expected or expected is null
)

select * from final
{% endtest %}


{#- SQL over model_id, dimension and row_count: the length that vectors of this model_id must have. -#}
{% macro _expected_dimension(dimension) %}
    {% if dimension is not none %}
        {{ samespace._check_args('dims_match', [{'name': 'dimension', 'value': dimension, 'rule': 'positive_integer'}]) }}
        {{ return('cast(' ~ dimension ~ ' as integer)') }}
    {% endif %}
    {% set branches = [] %}
    {% for spec in samespace._specs().values() %}
        {% do branches.append('when ' ~ samespace.string_literal(spec.model_id) ~ ' then ' ~ spec.dimension) %}
    {% endfor %}
    {% set registry = samespace._own_table('embedding_models') %}
    {% set parts = ['case model_id ' ~ (branches | join(' ')) ~ ' end'] if branches else [] %}
    {% if execute and samespace.table_exists(registry) %}
        {% do parts.append('(select max(m.dimension) from ' ~ registry ~ ' as m where m.model_id = __samespace_lengths.model_id)') %}
    {% endif %}
    {% do parts.append('first_value(dimension) over (partition by model_id order by row_count desc, dimension)') %}
    {{ return('coalesce(' ~ (parts | join(', ')) ~ ')') }}
{% endmacro %}
