{#-
    What all searches do. An index never has the last word: where it gave too little, it is asked once more with the slack of
    samespace.search, and then the exact plan runs. More than 500 rows are beyond an index (ef_search ends at 1,000).
    Compiling a statement that runs once costs more than it saves.
-#}
{% macro _postgres_search(own) %}
{% set body %}
declare
    facts jsonb;
    ids text[];
    answer record;
    statement text;
    slack integer;
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
    if amount <= 500 then
        foreach slack in array array[least(6 + amount / 10, {{ samespace._slack() }}), {{ samespace._slack() }}] loop
            statement := {{ own.schema }}._indexed(facts, ids, asked_key, amount + slack);
            exit when statement is null;
            select r.* into answer from {{ own.schema }}._by_index(statement, asked_vector, amount, amount + slack, cardinality(ids)) as r;
            complete := answer.complete;
            exit when complete;
        end loop;
    end if;
    if not complete then
        execute {{ own.schema }}._nearest(facts, ids, cast(asked_vector as text), asked_key, amount, threshold) into answer;
    end if;
    return query
    select u.key, u.similarity, cast(u.place as integer), u.model_id, u.fields, asked_id
    from unnest(answer.keys, answer.similarities, answer.ids, answer.fields)
        with ordinality as u(key, similarity, model_id, fields, place)
    where amount is null or u.place <= amount;
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


{#-
    What a caller sees. In SQL, because plpgsql has no column of the name of an argument, and without a search_path of its own:
    all that it names has a schema, and only so it becomes part of the statement that calls it.
    https://wiki.postgresql.org/wiki/Inlining_of_SQL_functions
-#}
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
{% for search in searches %}{% do search.update({'language': 'sql', 'labels': 'stable parallel unsafe', 'inlined': true}) %}{% endfor %}
{{ return(searches) }}
{% endmacro %}
