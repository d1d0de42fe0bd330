{#- The functions that search by an index. -#}
{% macro _postgres_indexed_functions(own) %}
    {{ return([
        samespace._postgres_index_order(own), samespace._postgres_indexed(own), samespace._postgres_by_index(own),
    ]) }}
{% endmacro %}


{#-
    SQL of the distance that an HNSW index of a model_id serves, NULL where there is no such index: of the column, or of its
    cast to halfvec (pgvector indexes no more than 2,000 numbers of four bytes). Only an id as a literal proves the
    predicate of a partial index. $1 is the query vector. https://github.com/pgvector/pgvector#filtering
-#}
{% macro _postgres_index_order(own) %}
{% set body %}
begin
    return (
        select format('%s operator({{ own.vector_format }}.<=>) $1::%s', o.indexed, o.type)
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
    );
end
{%- endset %}
{{ return({
    'name': '_index_order', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'id', 'type': 'text'},
    ],
}) }}
{% endmacro %}


{#-
    SQL of the rows that the indexes of some ids give for the vector $1, as arrays in the order of their keys: `amount` per id,
    whose place in `ids` is with them. NULL where no id has an index. It is planned each time, so it only fetches.
-#}
{% macro _postgres_indexed(own) %}
{% set body %}
declare
    vector constant text := format('t.%I::{{ own.vector_format }}.vector', facts ->> 'vector');
    other_key constant text := case
        when without_key is null then '' else format(' and cast(t.%I as text) <> %L', facts ->> 'key', without_key)
    end;
    parts text[];
    by_index text;
    indexed boolean := false;
begin
    for part in 1 .. cardinality(ids) loop
        by_index := {{ own.schema }}._index_order(facts, ids[part]);
        indexed := indexed or by_index is not null;
        parts := parts || format('select f.*, to_jsonb(f.*) as __samespace_fields, %s as __samespace_vector, %s as __samespace_part'
            ' from %s as t cross join lateral (select %s) as f where t.model_id = %L and (cast(t.model_id as text) collate "C") = %L'
            ' and {{ own.vector_format }}.vector_norm(%s) > 0%s order by %s limit %s',
            vector, part, facts ->> 'name', facts ->> 'columns', ids[part], ids[part], vector, other_key,
            coalesce(by_index, format('least(%s operator({{ own.vector_format }}.<=>) $1, 2), %s', vector,
                {{ own.schema }}._key_order(facts, 't'))), amount);
    end loop;
    return case when indexed then format('select array_agg(cast(c.%I as text)), array_agg(c.__samespace_vector), '
        'array_agg(cast(c.model_id as text)), array_agg(c.__samespace_fields), array_agg(c.__samespace_part) '
        'from (select * from ((%s)) as u order by %s, (cast(u.model_id as text) collate "C")) as c',
        facts ->> 'key', array_to_string(parts, ') union all ('), {{ own.schema }}._key_order(facts, 'u')) end;
end
{%- endset %}
{{ return({
    'name': '_indexed', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text', 'body': body, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'ids', 'type': 'text[]'}, {'name': 'without_key', 'type': 'text'},
        {'name': 'amount', 'type': 'integer'},
    ],
}) }}
{% endmacro %}


{#-
    The answer of the indexes with the session's settings of HNSW, which are put back. Iterative: an index goes on until the
    limit is reached, where it would stop after ef_search rows. Not `complete`: an id gave fewer rows than asked for, or rows
    were cut off that may be as similar as the last one, to which fp32 adds a little.
    https://github.com/pgvector/pgvector#iterative-index-scans
-#}
{% macro _postgres_by_index(own) %}
{% set body %}
declare
    breadth constant text := current_setting('hnsw.ef_search');
{%- if own.iterative %}
    scan constant text := current_setting('hnsw.iterative_scan');
{%- endif %}
    vectors {{ own.vector }}.vector[];
    parts integer[];
begin
    perform set_config('hnsw.ef_search', cast(least(1000, greatest(40, 2 * amount, cast(breadth as integer))) as text), true)
        {{- ", set_config('hnsw.iterative_scan', 'strict_order', true)" if own.iterative }};
    execute statement into keys, vectors, ids, fields, parts using asked;
    perform set_config('hnsw.ef_search', breadth, true)
        {{- ", set_config('hnsw.iterative_scan', scan, true)" if own.iterative }};
    select array_agg(s.key), array_agg(s.similarity), array_agg(s.id), array_agg(s.field), array_agg(s.part)
    into keys, similarities, ids, fields, parts
    from (
        select u.*, {{ samespace.rounded(samespace.postgres__cosine_similarity_exact('u.vector', 'asked', 'vector', own.vector)) }} as similarity
        from unnest(keys, vectors, ids, fields, parts) with ordinality as u(key, vector, id, field, part, place)
        order by similarity desc, u.place
    ) as s;
    select coalesce(count(*) = asked_ids and bool_and(
        p.found >= amount and (p.found < wanted or similarities[amount] > p.lowest + 0.0001)), false) into complete
    from (
        select count(*) as found, min(u.similarity) as lowest
        from unnest(similarities, parts) as u(similarity, part)
        group by u.part
    ) as p;
    return next;
end
{%- endset %}
{{ return({
    'name': '_by_index', 'language': 'plpgsql', 'labels': 'stable parallel unsafe', 'body': body,
    'returns': 'table (keys text[], similarities double precision[], ids text[], fields jsonb[], complete boolean)',
    'arguments': [
        {'name': 'statement', 'type': 'text'}, {'name': 'asked', 'type': own.vector ~ '.vector'},
        {'name': 'amount', 'type': 'integer'}, {'name': 'wanted', 'type': 'integer'}, {'name': 'asked_ids', 'type': 'integer'},
    ],
}) }}
{% endmacro %}
