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
    {% set ids = samespace._searched_ids(asked, held) %}
    {% set plan = samespace._index_plan('search', info, ids, k, where, method) %}
    {{ return(samespace._search_sql(info, asked, k, where, plan, asked.id is not none and samespace.unit_vectors(info, ids))) }}
{% endmacro %}


{#-
    The fast similarity finds a few rows too many, the exact one ranks those that are as near as the k-th up to rounding.
    Other columns are read of those alone, by address, where the relation has one. That is below the window, past which no
    filter of a reader can go: it could leave the guard out. The guard is a branch of its own for the same reason: no
    planner may skip it where nothing is found. Above it, what somebody wrote into a table of ours and no measure can compare
    is left out. Where a vector index can answer, `plan` says how.
-#}
{% macro _search_sql(info, asked, k, where, plan=none, unit=false) %}
{% set address = none if plan and plan.index.type != 'ivf' else samespace.row_address(info) %}
{% set carried = not address or samespace.keeps_vectors() %}
{#- DuckDB filters while it scans where the columns are named, behind the scan where all of them are asked for. -#}
{% set read = [address ~ ' as __samespace_row', info.key_sql, info.embedding_sql, info.model_id_sql] | unique | join(', ') if address else '*' %}
{% set source = 'select * from __samespace_near' if plan else 'select ' ~ read ~ ' from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') %}
{% set sql %}
with __samespace_query as materialized (
    {{ asked.sql }}
),

{% if plan %}{{ samespace._near_ctes(info, asked, k, where, plan) }},

{% endif -%}
__samespace_candidates as materialized (
    {{ samespace.search_candidates(info, asked, source, k + samespace._slack(), address is not none, unit) }}
),

__samespace_guard as (
    {{ samespace._search_guard(info, asked) }}
),

__samespace_guarded as (
    select
        c.*,
        q.embedding as __samespace_vector
    from __samespace_candidates as c
    cross join __samespace_query as q
    where c.__samespace_fast >= coalesce((
        select __samespace_fast from __samespace_candidates order by __samespace_fast desc nulls last limit 1 offset {{ k - 1 }}
    ), -1) - 0.0001{{ ' and ' ~ samespace.usable_vector('c.' ~ info.embedding_sql, info.vector_type) if carried }}
    union all
    select
        c.*,
        q.embedding
    from __samespace_guard as g
    left join __samespace_candidates as c on false
    left join __samespace_query as q on false
    where not g.passed
),

__samespace_scored as (
    {{ samespace._search_scored(info, asked, address, carried) }}
),

__samespace_ranked as (
    select
        {{ samespace._searched_columns(info, address) }},
        s.__samespace_similarity as similarity,
        cast(row_number() over (order by s.__samespace_similarity desc nulls last, {{ samespace._row_order(info, 's.') }}) as integer) as rank
    from __samespace_scored as s
),

final as (
    select * from __samespace_ranked where rank <= {{ k }} and similarity is not null
)

select * from final order by rank
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- SQL of the rows that may be the answer, with their exact similarity; those of an address with all their columns now. -#}
{% macro _search_scored(info, asked, address, carried) %}
{% set vector = ('g.' if carried else 'r.') ~ info.embedding_sql %}
{% set sql %}
select
        {{ samespace.star_except('r', samespace._hidden_columns(info), info.columns, info.title) if address else 'g.*' }},
        {{ samespace.rounded(samespace.cosine_similarity_exact(vector, 'g.__samespace_vector', samespace._common_type(info, asked))) }} as __samespace_similarity
    from __samespace_guarded as g
    {{ 'left join ' ~ info.sql ~ ' as r on r.' ~ address ~ ' = g.__samespace_row' if address }}
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- The data type that the vectors of the rows and of the query have alike, or none. -#}
{% macro _common_type(info, asked) %}
    {{ return(asked.type if asked.type and asked.type == info.vector_type else none) }}
{% endmacro %}


{#- SQL of the relation's columns out of __samespace_scored, whose alias is s. -#}
{% macro _searched_columns(info, address) %}
    {% set hidden, own = samespace._hidden_columns(info), ['__samespace_similarity'] %}
    {% if address %}
        {{ return(samespace.star_except('s', own, info.columns.keys() | reject('in', hidden) | list)) }}
    {% endif %}
    {{ return(samespace.star_except('s', hidden + ['__samespace_vector', '__samespace_fast'] + own, info.columns, info.title)) }}
{% endmacro %}


{#- The vector, and the cell of an index of ours. -#}
{% macro _hidden_columns(info) %}
    {{ return([info.embedding] + (['__samespace_cell'] if '__samespace_cell' in (info.columns or {}) else [])) }}
{% endmacro %}


{#- SQL of one row, `passed`: stops the query where nothing can be compared, else true. Where there are candidates, something
    was: only without one is the relation asked what it holds. -#}
{% macro _search_guard(info, asked) %}
{% set other = ['held > 0 and same = 0', samespace._different_spaces_sql('search', info.title, 'names', 'the query vector', asked.id_sql)] %}
{% set sql %}
select {{ samespace._stop_if(asked.problems + [other]) }} as passed
    from (
        select
            count(*) as held,
            count(*) filter (where {{ samespace.same_space('model_id', asked.id_sql) }}) as same,
            string_agg(coalesce(model_id, 'NULL'), ', ' order by {{ samespace.sort_key('model_id', 'text') }}) as names,
            (select count(*) from __samespace_query) as vectors,
            (select count(*) from __samespace_query where {{ samespace.usable_vector('embedding', asked.type) }}) as usable
        from (
            select distinct r.{{ info.model_id_sql }} as model_id
            from (select 1 as one where not exists (select 1 from __samespace_candidates where __samespace_fast is not null)) as nothing
            cross join (select {{ info.model_id_sql }} from {{ info.sql }}) as r
        ) as ids
    ) as sides
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- Rows beyond k that the fast similarity hands to the exact one, so that rounding in fp32 loses none. -#}
{% macro _slack() %}
    {{ return(64) }}
{% endmacro %}
