{#-
    The session's settings of HNSW while one statement runs, and back. Iterative: the index goes on until the limit is
    reached, where it would stop after ef_search rows. https://github.com/pgvector/pgvector#iterative-index-scans
-#}
{% macro _postgres_by_index(own) %}
{% set body %}
declare
    breadth constant text := current_setting('hnsw.ef_search');
{%- if own.iterative %}
    scan constant text := current_setting('hnsw.iterative_scan');
{%- endif %}
begin
    perform set_config('hnsw.ef_search', cast(least(1000, greatest(40, 2 * amount, cast(breadth as integer))) as text), true);
{%- if own.iterative %}
    perform set_config('hnsw.iterative_scan', 'strict_order', true);
{%- endif %}
    execute statement into keys, similarities, ids, fields, undecided, filled;
    perform set_config('hnsw.ef_search', breadth, true);
{%- if own.iterative %}
    perform set_config('hnsw.iterative_scan', scan, true);
{%- endif %}
    return next;
end
{%- endset %}
{{ return({
    'name': '_by_index', 'language': 'plpgsql', 'labels': 'stable parallel unsafe', 'body': body,
    'returns': 'table (keys text[], similarities double precision[], ids text[], fields jsonb[], undecided double precision, '
        ~ 'filled bigint)',
    'arguments': [{'name': 'statement', 'type': 'text'}, {'name': 'amount', 'type': 'integer'}],
}) }}
{% endmacro %}


{#-
    What all searches do. An index never has the last word: with fewer rows than asked for, or with rows cut off that are
    as similar as the last one, the exact plan runs. More than 500 rows are beyond an index (ef_search ends at 1,000).
    Compiling a statement that runs once costs more than it saves.
-#}
{% macro _postgres_search(own) %}
{% set body %}
declare
    facts jsonb;
    ids text[];
    answer record;
    plain text;
    indexed text;
    complete boolean := false;
begin
    if caller = 'duplicates_of' then
        perform {{ own.schema }}._check_threshold(caller, threshold);
    else
        perform {{ own.schema }}._check_count(caller, 'k', amount);
    end if;
    facts := {{ own.schema }}._embedding_relation(caller, relation);
    if asked_id is not null or not by_key then
        ids := {{ own.schema }}._same_space_ids(facts, asked_id);
    end if;
    if by_key then
        select r.found_vector, r.found_id into asked_vector, asked_id from {{ own.schema }}._asked_row(facts, asked_key, asked_id) as r;
        ids := {{ own.schema }}._same_space_ids(facts, asked_id);
    end if;
    perform {{ own.schema }}._check_vector(facts, asked_vector);
    plain := {{ own.schema }}._nearest(facts, ids, cast(asked_vector as text), asked_key, amount, threshold, false);
    indexed := {{ own.schema }}._nearest(facts, ids, cast(asked_vector as text), asked_key, amount, threshold, amount <= 500);
    if indexed <> plain then
        select r.* into answer from {{ own.schema }}._by_index(indexed, amount) as r;
        complete := coalesce(
            answer.filled = cardinality(ids) and answer.similarities[amount] > coalesce(answer.undecided, -2), false);
    end if;
    if not complete then
        execute plain into answer;
    end if;
    return query
    select u.key, u.similarity, cast(u.place as integer), u.model_id, u.fields, asked_id
    from unnest(answer.keys, answer.similarities, answer.ids, answer.fields)
        with ordinality as u(key, similarity, model_id, fields, place);
end
{%- endset %}
{{ return({
    'name': '_search', 'language': 'plpgsql', 'labels': 'stable parallel unsafe', 'settings': 'set jit = off', 'body': body,
    'returns': 'table (found_key text, found_similarity double precision, found_rank integer, found_model_id text, found_fields jsonb, '
        ~ 'query_id text)',
    'arguments': [
        {'name': 'caller', 'type': 'text'}, {'name': 'relation', 'type': 'text'}, {'name': 'by_key', 'type': 'boolean'},
        {'name': 'asked_key', 'type': 'text'}, {'name': 'asked_vector', 'type': own.vector ~ '.vector'},
        {'name': 'asked_id', 'type': 'text'}, {'name': 'amount', 'type': 'integer'},
        {'name': 'threshold', 'type': 'double precision'},
    ],
}) }}
{% endmacro %}


{#- What may be wrong with a number or a query vector. -#}
{% macro _postgres_checks(own) %}
{% set count %}
begin
    if not coalesce(amount >= 1, false) then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.%s: %s is %s; expected a whole number of at least 1', caller, argument, coalesce(cast(amount as text), 'NULL'));
    end if;
end
{%- endset %}
{% set threshold %}
begin
    if not coalesce(threshold between -1 and 1, false) then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.%s: threshold is %s; expected a similarity from -1 to 1', caller, coalesce(cast(threshold as text), 'NULL'));
    end if;
end
{%- endset %}
{% set vector %}
begin
    if asked is null or not {{ own.vector }}.vector_norm(asked) > 0 then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.%s: the query vector is NULL, zero, or holds NaN or infinity', facts ->> 'caller');
    elsif cast(facts ->> 'dimension' as integer) not in (-1, {{ own.vector }}.vector_dims(asked)) then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.%s: ''%s'' holds vectors of %s numbers; the query vector has %s',
            facts ->> 'caller', facts ->> 'title', facts ->> 'dimension', {{ own.vector }}.vector_dims(asked));
    end if;
end
{%- endset %}
{% set checks = [
    {'name': '_check_count', 'body': count, 'arguments': [
        {'name': 'caller', 'type': 'text'}, {'name': 'argument', 'type': 'text'}, {'name': 'amount', 'type': 'integer'},
    ]},
    {'name': '_check_threshold', 'body': threshold, 'arguments': [
        {'name': 'caller', 'type': 'text'}, {'name': 'threshold', 'type': 'double precision'},
    ]},
    {'name': '_check_vector', 'body': vector, 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'asked', 'type': own.vector ~ '.vector'},
    ]},
] %}
{% for check in checks %}
    {% do check.update({'language': 'plpgsql', 'labels': 'immutable parallel safe', 'returns': 'void'}) %}
{% endfor %}
{{ return(checks) }}
{% endmacro %}


{#- What a caller sees. In SQL, because plpgsql has no column of the name of an argument. -#}
{% macro _postgres_public_searches(own) %}
{% set found = 'table (key text, similarity double precision, rank integer, model_id text, fields jsonb)' %}
{% set columns = 'select s.found_key, s.found_similarity, s.found_rank, s.found_model_id, s.found_fields from ' ~ own.schema ~ '._search' %}
{% set both = samespace._declares_spaces() %}
{% set relation, k = {'name': 'relation', 'type': 'text'}, {'name': 'k', 'type': 'integer', 'default': '10'} %}
{% set key, model_id = {'name': 'key', 'type': 'text'}, {'name': 'model_id', 'type': 'text', 'default': 'null'} %}
{% set searches = [
    {
        'name': 'search_by_key', 'arguments': [relation, key, k, model_id], 'returns': found,
        'body': columns ~ "('search_by_key', $1, true, $2, null, $4, $3, null) as s",
    },
    {
        'name': 'search_by_vector', 'returns': found,
        'arguments': [relation, {'name': 'vector', 'type': own.vector ~ '.vector'}, {'name': 'model_id', 'type': 'text'}, k],
        'body': columns ~ "('search_by_vector', $1, false, null, $2, $3, $4, null) as s",
    },
    {
        'name': 'neighbours', 'arguments': [relation, key, k, model_id],
        'returns': 'table (query_key text, neighbour_key text, similarity double precision, rank integer, model_id text'
            ~ (', query_model_id text' if both else '') ~ ')',
        'body': 'select $2, s.found_key, s.found_similarity, s.found_rank, s.found_model_id' ~ (', s.query_id' if both else '')
            ~ ' from ' ~ own.schema ~ "._search('neighbours', $1, true, $2, null, $4, $3, null) as s",
    },
    {
        'name': 'duplicates_of', 'returns': found,
        'arguments': [relation, key, {'name': 'threshold', 'type': 'double precision', 'default': '0.9'}, model_id],
        'body': columns ~ "('duplicates_of', $1, true, $2, null, $4, null, $3) as s",
    },
] %}
{% for search in searches %}{% do search.update({'language': 'sql', 'labels': 'stable parallel unsafe'}) %}{% endfor %}
{{ return(searches) }}
{% endmacro %}
