{#-
    The k rows most similar to one query: a text, a vector with the model it comes from, or the row with a key (which
    is left out of its own answer). The relation's columns without the vector, then similarity and rank.
-#}
{% macro search(relation, query=none, query_vector=none, query_model=none, query_key=none, k=10, where=none, model=none, key=none, embedding=none, method='auto') %}
    {{ return(adapter.dispatch('search', 'samespace')(relation, query, query_vector, query_model, query_key, k, where, model, key, embedding, method)) }}
{% endmacro %}

{% macro default__search(relation, query, query_vector, query_model, query_key, k, where, model, key, embedding, method) %}
    {{ samespace._check_search(query, query_vector, query_model, query_key, k, where, model) }}
    {{ samespace._check_args('search', [{'name': 'method', 'value': method, 'rule': 'one_of', 'allowed': ['auto', 'exact', 'index']}]) }}
    {% set info = samespace._as_relation(relation, 'search', key=key, embedding=embedding) %}
    {% set held = samespace._held_ids('search', info, ['similarity', 'rank']) %}
    {% if query_key is not none %}
        {% set asked = samespace._query_by_key(info, held, query_key, model) %}
    {% else %}
        {% set asked = samespace._query_by_vector(info, held, query, query_vector, query_model or model) %}
        {{ samespace._check_space('search', info, held, asked.id) }}
        {{ samespace._say_other_spaces('search', info, held, [asked.id]) }}
    {% endif %}
    {% set plan = samespace._index_plan('search', info, samespace._searched_ids(asked, held), k, where, method) %}
    {{ return(samespace._search_sql(info, asked, k, where, plan)) }}
{% endmacro %}


{#-
    The fast similarity finds a few rows too many, the exact one ranks those that are as near as the k-th up to rounding:
    on PostgreSQL it costs a thousand times as much. The guard is a branch of its own below the window: no planner may
    leave it out, not even where nothing is found. Where a vector index can answer, `plan` says how.
-#}
{% macro _search_sql(info, asked, k, where, plan=none) %}
{% set own_columns = ['__samespace_vector', '__samespace_fast', '__samespace_similarity'] %}
{% set sql %}
with __samespace_query as (
    {{ asked.sql }}
),

{% if plan %}{{ samespace._near_ctes(info, asked, k, where, plan) }},

{% endif -%}
__samespace_guard as (
    {{ samespace._search_guard(info, asked, plan) }}
),

__samespace_candidates as (
    select *
    from (
        select
            r.*,
            q.embedding as __samespace_vector,
            {{ samespace.cosine_similarity('r.' ~ info.embedding_sql, 'q.embedding') }} as __samespace_fast
        from (
            {{ 'select * from __samespace_near' if plan else 'select * from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') }}
        ) as r
        cross join __samespace_query as q
        where {{ samespace.same_space('r.' ~ info.model_id_sql, asked.id_sql) }}{{ ' and ' ~ asked.others if asked.others else '' }}
    ) as compared
    where {{ samespace.usable_similarity('__samespace_fast', info.embedding_sql) }}
    order by __samespace_fast desc, {{ samespace.sort_key(info.key_sql, info.key_type) }}
    limit {{ k + samespace._slack() }}
),

__samespace_guarded as (
    select *
    from __samespace_candidates
    where __samespace_fast >= coalesce((
        select __samespace_fast from __samespace_candidates order by __samespace_fast desc limit 1 offset {{ k - 1 }}
    ), -1) - 0.0001
    union all
    select c.*
    from __samespace_guard as g
    left join __samespace_candidates as c on false
    where not g.passed
),

__samespace_scored as (
    select
        *,
        {{ samespace.rounded(samespace.cosine_similarity_exact(info.embedding_sql, '__samespace_vector')) }} as __samespace_similarity
    from __samespace_guarded
),

__samespace_ranked as (
    select
        {{ samespace.star_except('s', [info.embedding] + own_columns, info.columns, info.title) }},
        s.__samespace_similarity as similarity,
        cast(row_number() over (order by s.__samespace_similarity desc, {{ samespace._row_order(info, 's.') }}) as integer) as rank
    from __samespace_scored as s
),

final as (
    select * from __samespace_ranked where rank <= {{ k }}
)

select * from final order by rank
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- SQL of one row, `passed`: stops the query where nothing can be compared, else true. Where an index answered, something was. -#}
{% macro _search_guard(info, asked, plan=none) %}
{% set other = ['held > 0 and same = 0', samespace._different_spaces_sql('search', info.title, 'names', 'the query vector', asked.id_sql)] %}
{% set sql %}
select {{ samespace._stop_if(asked.problems + [other]) }} as passed
    from (
        select
            count(*) as held,
            count(*) filter (where {{ samespace.same_space('model_id', asked.id_sql) }}) as same,
            string_agg(coalesce(model_id, 'NULL'), ', ' order by {{ samespace.sort_key('model_id', 'text') }}) as names,
            (select count(*) from __samespace_query) as vectors,
            (select count(*) from __samespace_query where {{ samespace.usable_vector('embedding') }}) as usable
        from (
            select distinct {{ info.model_id_sql }} as model_id from {{ info.sql }}{{ ' where not (select complete from __samespace_answer)' if plan else '' }}
        ) as ids
    ) as sides
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- Rows beyond k that the fast similarity hands to the exact one, so that rounding in fp32 loses none. -#}
{% macro _slack() %}
    {{ return(64) }}
{% endmacro %}
