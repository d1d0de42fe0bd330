{#-
    The pairs of samespace.duplicate_pairs in its SQL form: every pair is compared, no index helps. The fast similarity may
    miss the exact one a little, so it gets slack. Columns as in that macro; keys are texts, as in the searches.
-#}
{% macro _postgres_duplicate_pairs(own) %}
{% set both = samespace._declares_spaces() %}
{% set template %}
with __samespace_rows as materialized (
    select
        t.%1$I as key,
        (cast(t.model_id as text) collate "C") as model_id,
        t.%2$I::{{ own.vector_format }}.vector as embedding
    from %3$s as t
    where {{ own.vector_format }}.vector_norm(t.%2$I::{{ own.vector_format }}.vector) > 0
),

__samespace_close as materialized (
    select
        l.key as left_key,
        r.key as right_key,
        l.embedding as left_embedding,
        r.embedding as right_embedding,
        l.model_id as left_model_id,
        r.model_id as right_model_id
    from __samespace_rows as l
    inner join __samespace_rows as r
        on {{ samespace.same_space('l.model_id', 'r.model_id') | replace('%', '%%') }}
        and %4$s < %5$s
    where 1 - least(l.embedding operator({{ own.vector_format }}.<=>) r.embedding, 2) >= %6$s - 0.0001
),

__samespace_pairs as (
    select
        c.*,
        {{ samespace.rounded(samespace.postgres__cosine_similarity_exact('c.left_embedding', 'c.right_embedding', 'vector', own.vector_format)) }}
            as similarity
    from __samespace_close as c
)

select
    cast(p.left_key as text),
    cast(p.right_key as text),
    p.similarity,
    cast(p.left_model_id as text){{ ',\n    cast(p.right_model_id as text)' if both else '' }}
from (select * from __samespace_pairs where similarity >= %6$s limit %7$s) as p
order by p.similarity desc, %8$s, %9$s, p.left_model_id, p.right_model_id
{%- endset %}
{% set body %}
declare
    facts jsonb;
    pairs bigint;
begin
    perform {{ own.schema }}._check_threshold('duplicate_pairs', threshold), {{ own.schema }}._check_count('duplicate_pairs', 'max_pairs', max_pairs);
    facts := {{ own.schema }}._embedding_relation('duplicate_pairs', relation);
    return query execute format({{ samespace.string_literal(template) }},
        facts ->> 'key', facts ->> 'vector', facts ->> 'name',
        {{ own.schema }}._key_order(facts || '{"key": "key"}', 'l'), {{ own.schema }}._key_order(facts || '{"key": "key"}', 'r'),
        threshold, cast(max_pairs as bigint) + 1,
        {{ own.schema }}._key_order(facts || '{"key": "left_key"}', 'p'), {{ own.schema }}._key_order(facts || '{"key": "right_key"}', 'p'));
    get diagnostics pairs = row_count;
    if pairs > max_pairs then
        raise exception using errcode = 'program_limit_exceeded', message = format(
            'samespace.duplicate_pairs: more than %s pairs of ''%s'' reach the threshold. Raise threshold, or raise max_pairs.',
            max_pairs, relation);
    end if;
end
{%- endset %}
{{ return({
    'name': 'duplicate_pairs', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'body': body,
    'returns': 'table (left_key text, right_key text, similarity double precision, '
        ~ ('left_model_id text, right_model_id text)' if both else 'model_id text)'),
    'arguments': [
        {'name': 'relation', 'type': 'text'}, {'name': 'threshold', 'type': 'double precision', 'default': '0.9'},
        {'name': 'max_pairs', 'type': 'integer', 'default': '100000'},
    ],
}) }}
{% endmacro %}
