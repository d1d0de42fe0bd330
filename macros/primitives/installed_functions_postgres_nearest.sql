{#- The functions that write the inner statement of a search. -#}
{% macro _postgres_nearest_functions(own) %}
    {{ return([
        samespace._postgres_key_order(own), samespace._postgres_index_order(own), samespace._postgres_candidates(own),
        samespace._postgres_nearest(own),
    ]) }}
{% endmacro %}


{#-
    SQL of the distance that an HNSW index of a model_id serves, NULL where there is no such index: of the column, or of its
    cast to halfvec (pgvector indexes no more than 2,000 numbers of four bytes). Only an id as a literal proves the
    predicate of a partial index. https://github.com/pgvector/pgvector#filtering
-#}
{% macro _postgres_index_order(own) %}
{% set body %}
    select format('%s operator({{ own.vector_format }}.<=>) %L::%s', o.indexed, asked, o.type)
    from (
        select
            i.indpred is null as whole,
            format_type(x.atttypid, x.atttypmod) as type,
            case
                when i.indkey[0] = v.attnum then format('t.%I', v.attname)
                when pg_get_indexdef(i.indexrelid, 1, false) = format('((%I)::%s)', v.attname, format_type(x.atttypid, x.atttypmod))
                    then format('(t.%I::%s)', v.attname, format_type(x.atttypid, x.atttypmod))
            end as indexed
        from pg_index as i
        inner join pg_class as c on c.oid = i.indexrelid
        inner join pg_am as m on m.oid = c.relam
        inner join pg_attribute as x on x.attrelid = i.indexrelid and x.attnum = 1
        inner join pg_opclass as o on o.oid = i.indclass[0]
        inner join pg_attribute as v on v.attrelid = i.indrelid and cast(v.attname as text) = facts ->> 'vector'
        where i.indrelid = cast(cast(facts ->> 'oid' as bigint) as oid)
            and i.indisvalid
            and cast(m.amname as text) = 'hnsw'
            and cast(o.opcname as text) in ('vector_cosine_ops', 'halfvec_cosine_ops')
            and (i.indpred is null or position(quote_literal(id) in pg_get_expr(i.indpred, i.indrelid)) > 0)
    ) as o
    where o.indexed is not null
    order by o.whole
    limit 1
{%- endset %}
{{ return({
    'name': '_index_order', 'language': 'sql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'id', 'type': 'text'}, {'name': 'asked', 'type': 'text'},
    ],
}) }}
{% endmacro %}


{#-
    SQL of the candidates among the rows of one model_id: `amount` by distance, or all above a threshold (less a little:
    fp32 may miss the exact value). Without an index the order is that of samespace.search, which no index serves.
-#}
{% macro _postgres_candidates(own) %}
{% set body %}
declare
    vector constant text := format('t.%I::{{ own.vector_format }}.vector', facts ->> 'vector');
    distance constant text := format('least(%s operator({{ own.vector_format }}.<=>) %L::{{ own.vector_format }}.vector, 2)', vector, asked);
    by_index constant text := case when indexed then {{ own.schema }}._index_order(facts, id, asked) end;
begin
    return format('select t.*, %s as __samespace_part from %s as t where t.model_id = %L'
        ' and (cast(t.model_id as text) collate "C") = %L and {{ own.vector_format }}.vector_norm(%s) > 0',
        part, facts ->> 'name', id, id, vector)
        || case when without_key is null then '' else format(' and cast(t.%I as text) <> %L', facts ->> 'key', without_key) end
        || case
            when threshold is not null then format(' and 1 - %s >= %s - 0.0001', distance, threshold)
            when by_index is not null then format(' order by %s limit %s', by_index, amount)
            else format(' order by %s, %s limit %s', distance, {{ own.schema }}._key_order(facts, 't'), amount)
        end;
end
{%- endset %}
{{ return({
    'name': '_candidates', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'id', 'type': 'text'}, {'name': 'part', 'type': 'integer'},
        {'name': 'asked', 'type': 'text'}, {'name': 'without_key', 'type': 'text'}, {'name': 'amount', 'type': 'bigint'},
        {'name': 'threshold', 'type': 'double precision'}, {'name': 'indexed', 'type': 'boolean'},
    ],
}) }}
{% endmacro %}


{#- SQL by which a key is ordered, as samespace.sort_key has it: a text by its bytes. -#}
{% macro _postgres_key_order(own) %}
{% set body %}
    select case
        when facts ->> 'key_category' = 'S' then format('(cast(%I.%I as text) collate "C")', alias, facts ->> 'key')
        when facts ->> 'key_type' in ('json', 'xml', 'point', 'polygon', 'box', 'circle', 'lseg', 'path', 'line')
            then format('(cast(%I.%I as text) collate "C")', alias, facts ->> 'key')
        else format('%I.%I', alias, facts ->> 'key')
    end
{%- endset %}
{{ return({
    'name': '_key_order', 'language': 'sql', 'labels': 'immutable parallel safe', 'returns': 'text', 'body': body,
    'arguments': [{'name': 'facts', 'type': 'jsonb'}, {'name': 'alias', 'type': 'text'}],
}) }}
{% endmacro %}


{#-
    SQL of one row with the answer in arrays, by rank; the steps are those of samespace.search. `undecided` is the
    similarity at which the candidates of some id were cut off (another row may be just as similar), `filled` the number
    of ids that gave as many candidates as the answer has rows.
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
),

__samespace_parts as (
    select count(*) as candidates, min(s.__samespace_similarity) as lowest
    from __samespace_scored as s
    group by s.__samespace_part
)

select
    array_agg(cast(r.%6$I as text) order by r.__samespace_rank) as keys,
    array_agg(r.__samespace_similarity order by r.__samespace_rank) as similarities,
    array_agg(cast(r.model_id as text) order by r.__samespace_rank) as ids,
    array_agg(to_jsonb(r) - %7$L::text[] order by r.__samespace_rank) as fields,
    (select max(p.lowest) from __samespace_parts as p where p.candidates >= %8$L) as undecided,
    (select count(*) from __samespace_parts as p where p.candidates >= %9$L) as filled
from __samespace_ranked as r
where r.__samespace_rank <= %9$L
{%- endset %}
{% set body %}
declare
    slack constant bigint := {{ samespace._slack() }};
    parts constant text[] := array(
        select {{ own.schema }}._candidates(facts, i.id, cast(i.part as integer), asked, without_key, amount + slack, threshold, indexed)
        from unnest(ids) with ordinality as i(id, part)
        order by i.part);
begin
    return format({{ samespace.string_literal(template) }},
        facts ->> 'vector', asked, array_to_string(parts, ') union all ('), {{ own.schema }}._key_order(facts, 's'),
        coalesce(threshold, -1), facts ->> 'key',
        array[facts ->> 'vector', '__samespace_part', '__samespace_asked', '__samespace_similarity', '__samespace_rank'],
        coalesce(amount + slack, {{ own.most }}), coalesce(amount, {{ own.most }}));
end
{%- endset %}
{{ return({
    'name': '_nearest', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'ids', 'type': 'text[]'}, {'name': 'asked', 'type': 'text'},
        {'name': 'without_key', 'type': 'text'}, {'name': 'amount', 'type': 'bigint'},
        {'name': 'threshold', 'type': 'double precision'}, {'name': 'indexed', 'type': 'boolean'},
    ],
}) }}
{% endmacro %}
