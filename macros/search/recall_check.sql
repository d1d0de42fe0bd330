{#-
    How many of the nearest rows a search by index finds, one row per model_id: k, queries, mean_recall, p5_recall,
    share_below_80. Queries are rows of the relation, each without itself. A row as near as the k-th counts as found.
-#}
{% macro recall_check(relation, k=10, queries=100, where=none, model=none, seed=0) %}
    {{ return(adapter.dispatch('recall_check', 'samespace')(relation, k, queries, where, model, seed)) }}
{% endmacro %}

{% macro default__recall_check(relation, k, queries, where, model, seed) %}
    {{ samespace._check_args('recall_check', [
        {'name': 'k', 'value': k, 'rule': 'positive_integer'},
        {'name': 'queries', 'value': queries, 'rule': 'positive_integer'},
        {'name': 'where', 'value': where, 'rule': 'optional_text'},
    ]) }}
    {% if seed is boolean or seed is not integer %}
        {{ samespace._raise('recall_check', 'seed is ' ~ tojson(seed, seed | string) ~ '; expected a whole number') }}
    {% endif %}
    {% set info = samespace._as_relation(relation, 'recall_check') %}
    {% set id = samespace._spec(model, 'recall_check').model_id if model is not none else none %}
    {% set index = samespace._recall_index(info, id, k, where) if execute and not info.inline else none %}
    {{ return(samespace._recall_sql(info, k, queries, where, id, seed, index)) }}
{% endmacro %}


{#- What would answer a search of this relation, none where it would compare every row; then it says so. -#}
{% macro _recall_index(info, id, k, where) %}
    {% set held = samespace._held_ids('recall_check', info).keys() | reject('none') | list %}
    {% set index = samespace.usable_index(info, [id] if id else (held or info.model_ids)) %}
    {% set limit = samespace.index_limit() %}
    {% if index is none or (where and not index.filters) or (limit and k + samespace._slack() > limit) %}
        {% do samespace._say('recall_check', "'" ~ info.title ~ "' has no index of samespace that answers this: every row is compared, and the recall is 1.") %}
        {{ return(none) }}
    {% endif %}
    {{ return(index) }}
{% endmacro %}


{% macro _recall_sql(info, k, queries, where, id, seed, index) %}
{% set rows = 'select * from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') %}
{% set sql %}
with __samespace_rows as (
    select
        r.{{ info.key_sql }} as key,
        r.{{ info.model_id_sql }} as model_id,
        r.{{ info.embedding_sql }} as embedding,
        row_number() over (order by {{ samespace._row_order(info, 'r.') }}) as ordinal
    from (
        {{ rows }}
    ) as r
    where {{ samespace.usable_vector('r.' ~ info.embedding_sql) }}{{ ' and r.' ~ info.model_id_sql ~ ' = ' ~ samespace.string_literal(id) if id }}
),

__samespace_queries as (
    select *
    from (
        select
            *,
            ordinal as query,
            row_number() over (partition by model_id order by md5(cast(key as varchar) || '/{{ seed }}'), ordinal) as place
        from __samespace_rows
    ) as drawn
    where place <= {{ queries }}
),

__samespace_true as (
    {{ samespace._recall_exact(k) }}
),

{{ samespace.recall_near(info, rows, k, index, where) }},

__samespace_wanted as (
    select query, count(*) as wanted, min(similarity) as least from __samespace_true group by query
),

__samespace_recalls as (
    select
        q.model_id,
        least(w.wanted, count(f.similarity)) * 1.0 / w.wanted as recall
    from __samespace_wanted as w
    inner join __samespace_queries as q on q.query = w.query
    left join __samespace_found as f on f.query = w.query and f.similarity >= w.least - 0.000001
    group by q.model_id, q.query, w.wanted
),

final as (
    select
        model_id,
        {{ k }} as k,
        count(*) as queries,
        {{ samespace.rounded('avg(recall)') }} as mean_recall,
        {{ samespace.rounded('percentile_cont(0.05) within group (order by recall)') }} as p5_recall,
        {{ samespace.rounded('avg(case when recall < 0.8 then 1.0 else 0.0 end)') }} as share_below_80
    from __samespace_recalls
    group by model_id
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}
