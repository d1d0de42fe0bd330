{#- The functions that write the statement of an exact search. -#}
{% macro _postgres_nearest_functions(own) %}
    {{ return([
        samespace._postgres_key_order(own), samespace._postgres_candidates(own), samespace._postgres_nearest(own),
    ]) }}
{% endmacro %}


{#-
    SQL of the candidates among the rows of one model_id: `amount` by distance, or all above a threshold (less a little:
    fp32 may miss the exact value). The order is that of samespace.search, which no index serves.
-#}
{% macro _postgres_candidates(own) %}
{% set body %}
declare
    vector constant text := format('t.%I::{{ own.vector_format }}.vector', facts ->> 'vector');
    distance constant text := format('least(%s operator({{ own.vector_format }}.<=>) %L::{{ own.vector_format }}.vector, 2)', vector, asked);
begin
    return format('select t.* from %s as t where t.model_id = %L'
        ' and (cast(t.model_id as text) collate "C") = %L and {{ own.vector_format }}.vector_norm(%s) > 0',
        facts ->> 'name', id, id, vector)
        || case when without_key is null then '' else format(' and cast(t.%I as text) <> %L', facts ->> 'key', without_key) end
        || case
            when threshold is not null then format(' and 1 - %s >= %s - 0.0001', distance, threshold)
            else format(' order by %s, %s limit %s', distance, {{ own.schema }}._key_order(facts, 't'), amount)
        end;
end
{%- endset %}
{{ return({
    'name': '_candidates', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'id', 'type': 'text'}, {'name': 'asked', 'type': 'text'},
        {'name': 'without_key', 'type': 'text'}, {'name': 'amount', 'type': 'bigint'}, {'name': 'threshold', 'type': 'double precision'},
    ],
}) }}
{% endmacro %}


{#- SQL by which a key is ordered, as samespace.sort_key has it: a text by its bytes. -#}
{% macro _postgres_key_order(own) %}
{% set body %}
begin
    return case
        when facts ->> 'key_category' = 'S' then format('(cast(%I.%I as text) collate "C")', alias, facts ->> 'key')
        when facts ->> 'key_type' in ('json', 'xml', 'point', 'polygon', 'box', 'circle', 'lseg', 'path', 'line')
            then format('(cast(%I.%I as text) collate "C")', alias, facts ->> 'key')
        else format('%I.%I', alias, facts ->> 'key')
    end;
end
{%- endset %}
{{ return({
    'name': '_key_order', 'language': 'plpgsql', 'labels': 'immutable parallel safe', 'returns': 'text', 'body': body,
    'arguments': [{'name': 'facts', 'type': 'jsonb'}, {'name': 'alias', 'type': 'text'}],
}) }}
{% endmacro %}


{#-
    SQL of one row with the answer in arrays, by rank; the steps are those of samespace.search.
-#}
{% macro _postgres_nearest(own) %}
{% set exact = samespace.rounded(samespace.postgres__cosine_similarity_exact('c.%1$I', 'c.__samespace_asked', none, own.vector_format)) %}
{% set template %}
with __samespace_candidates as (
    select u.*, %2$L::{{ own.vector_format }}.vector as __samespace_asked
    from ((%3$s)) as u
),

__samespace_scored as (
    select c.*, {{ exact }} as __samespace_similarity
    from __samespace_candidates as c
),

__samespace_ranked as (
    select
        s.*,
        row_number() over (
            order by s.__samespace_similarity desc, %4$s, (cast(s.model_id as text) collate "C")
        ) as __samespace_rank
    from __samespace_scored as s
    where s.__samespace_similarity >= %5$L
)

select
    array_agg(cast(r.%6$I as text) order by r.__samespace_rank) as keys,
    array_agg(r.__samespace_similarity order by r.__samespace_rank) as similarities,
    array_agg(cast(r.model_id as text) order by r.__samespace_rank) as ids,
    array_agg(to_jsonb(r.*) - %7$L::text[] order by r.__samespace_rank) as fields
from __samespace_ranked as r
where r.__samespace_rank <= %8$L
{%- endset %}
{% set body %}
declare
    slack constant bigint := {{ samespace._slack() }};
    parts constant text[] := array(
        select {{ own.schema }}._candidates(facts, i.id, asked, without_key, amount + slack, threshold)
        from unnest(ids) as i(id));
begin
    return format({{ samespace.string_literal(template) }},
        facts ->> 'vector', asked, array_to_string(parts, ') union all ('), {{ own.schema }}._key_order(facts, 's'),
        coalesce(threshold, -1), facts ->> 'key',
        array[facts ->> 'vector', '__samespace_asked', '__samespace_similarity', '__samespace_rank'],
        coalesce(amount, {{ own.most }}));
end
{%- endset %}
{{ return({
    'name': '_nearest', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'ids', 'type': 'text[]'}, {'name': 'asked', 'type': 'text'},
        {'name': 'without_key', 'type': 'text'}, {'name': 'amount', 'type': 'bigint'},
        {'name': 'threshold', 'type': 'double precision'},
    ],
}) }}
{% endmacro %}
