{#- The functions behind the searches, in the order in which they need each other. Names with a _ are not for callers. -#}
{% macro _postgres_search_functions(own) %}
    {{ return(samespace._postgres_checks(own) + [
        samespace._postgres_embedding_relation(own), samespace._postgres_same_space_ids(own), samespace._postgres_asked_row(own),
    ] + samespace._postgres_nearest_functions(own) + samespace._postgres_indexed_functions(own)
        + [samespace._postgres_search(own)]) }}
{% endmacro %}


{#-
    What embedding_relations and the catalog say of a relation, as jsonb. A name is only ever looked up: as identifier,
    schema.identifier or database.schema.identifier, in any case. What is there goes before what is gone, the exact
    spelling before another one. A renamed or copied database still finds its own tables.
-#}
{% macro _postgres_embedding_relation(own) %}
{% set registry = own.schema ~ '.embedding_relations' %}
{% set body %}
declare
    registry constant regclass := to_regclass({{ samespace.string_literal(registry) }});
    known text;
    chosen record;
    facts jsonb;
begin
    if registry is not null and not has_table_privilege(registry, 'select') then
        raise exception using errcode = 'insufficient_privilege', message = format(
            'samespace.%s: this role may not read %s. Let its owner run  grant select on %s to %I;',
            caller, registry, registry, current_user);
    end if;
    if registry is not null then
        with records as (
            select distinct on (r.schema_name, r.identifier) r.*
            from {{ registry }} as r
            order by r.schema_name, r.identifier, r.database_name <> cast(current_database() as text), r.updated_at desc
        ),
        spelled as (
            select distinct on (r.schema_name, r.identifier)
                r.*,
                s.spelling <> relation as another_case,
                (
                    select c.oid
                    from pg_class as c
                    inner join pg_namespace as n on n.oid = c.relnamespace
                    where n.nspname = cast(r.schema_name as name) and c.relname = cast(r.identifier as name)
                ) as place
            from records as r
            cross join lateral (values
                (r.identifier), (r.schema_name || '.' || r.identifier),
                (r.database_name || '.' || r.schema_name || '.' || r.identifier),
                (cast(current_database() as text) || '.' || r.schema_name || '.' || r.identifier)
            ) as s(spelling)
            where lower(s.spelling) = lower(relation)
            order by r.schema_name, r.identifier, s.spelling <> relation
        )
        select best.*, count(*) over () as candidates into chosen
        from (select s.*, rank() over (order by s.place is null, s.another_case) as choice from spelled as s) as best
        where best.choice = 1
        limit 1;
    end if;
    if registry is null or chosen.candidates is distinct from 1 then
        if registry is not null then
            select string_agg(distinct r.identifier collate "C", ', ') into known from {{ registry }} as r;
        end if;
        raise exception using errcode = 'undefined_table', message = format(
            'samespace.%s: there is no embedding relation ''%s'' that could be meant. '
            'Known: %s (write schema.name where two have one name).',
            caller, coalesce(relation, 'NULL'), coalesce(known, 'none'));
    end if;
    select jsonb_build_object(
        'caller', caller, 'title', relation, 'oid', cast(chosen.place as bigint),
        'name', format('%I.%I', chosen.schema_name, chosen.identifier), 'model_ids', to_jsonb(chosen.model_ids),
        'key', chosen.key_column, 'key_type', k.typname, 'key_category', k.typcategory,
        'vector', chosen.embedding_column, 'type', t.typname, 'dimension', v.atttypmod,
        'columns', (
            select string_agg(format('t.%I', o.attname), ', ' order by o.attnum)
            from pg_attribute as o
            where o.attrelid = v.attrelid and o.attnum > 0 and not o.attisdropped and o.attnum <> v.attnum
        )
    ) into facts
    from pg_attribute as a
    inner join pg_type as k on k.oid = a.atttypid
    inner join pg_attribute as v on v.attrelid = a.attrelid
    inner join pg_type as t on t.oid = v.atttypid
    where a.attrelid = chosen.place and not a.attisdropped and not v.attisdropped
        and cast(a.attname as text) = chosen.key_column and cast(v.attname as text) = chosen.embedding_column
        and cast(t.typname as text) in ('vector', 'halfvec');
    if facts is null then
        raise exception using errcode = 'undefined_table', message = format(
            'samespace.%s: ''%s'' is recorded as %I.%I with the key %I and the vector %I; there is no such relation now. '
            'Build it again with dbt.',
            caller, relation, chosen.schema_name, chosen.identifier, chosen.key_column, chosen.embedding_column);
    end if;
    return facts;
end
{%- endset %}
{{ return({
    'name': '_embedding_relation', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'jsonb', 'body': body,
    'arguments': [{'name': 'caller', 'type': 'text'}, {'name': 'relation', 'type': 'text'}],
}) }}
{% endmacro %}


{#- The ids of a relation that may meet an id, from the registry alone; refuses where there are none. -#}
{% macro _postgres_same_space_ids(own) %}
{% set body %}
declare
    held constant text[] := array(select jsonb_array_elements_text(facts -> 'model_ids'));
    same constant text[] := array(
        select distinct h.id collate "C" from unnest(held) as h(id) where {{ samespace.same_space('h.id', 'asked') }} order by 1);
begin
    if cardinality(same) = 0 then
        {{ samespace._postgres_refusal("facts ->> 'caller'", "facts ->> 'title'", "nullif(array_to_string(held, ', '), '')",
            'the query vector', 'asked') }};
    end if;
    return same;
end
{%- endset %}
{{ return({
    'name': '_same_space_ids', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'returns': 'text[]', 'body': body,
    'arguments': [{'name': 'facts', 'type': 'jsonb'}, {'name': 'asked', 'type': 'text'}],
}) }}
{% endmacro %}


{#-
    The vector and the model_id of the row with a key. Keys compare as text, so 4711 and '4711' are one key; the same
    comparison in the column's own type comes first where the text has its form, so that an index on the key serves.
-#}
{% macro _postgres_asked_row(own) %}
{% set body %}
declare
    of_type constant text := case
        when asked ~ '^-?[1-9][0-9]{0,17}$|^0$' and facts ->> 'key_type' in ('int2', 'int4', 'int8') then 'bigint'
        when asked ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and facts ->> 'key_type' = 'uuid' then 'uuid'
        when facts ->> 'key_type' in ('text', 'varchar') then 'text'
    end;
    is_key constant text := case
        when of_type is null then '' else format('t.%I = %L::%s and ', facts ->> 'key', asked, of_type)
    end || format('(cast(t.%I as text) collate "C") = %L', facts ->> 'key', asked);
    is_model constant text := case
        when asked_id is null then '' else format(' and (cast(t.model_id as text) collate "C") = %L', asked_id)
    end;
    held bigint;
begin
    execute format(
        'select count(*), (array_agg(f.vector))[1], (array_agg(f.id))[1] from ('
        'select t.%I::{{ own.vector_format }}.vector as vector, cast(t.model_id as text) as id from %s as t where %s%s limit 2) as f',
        facts ->> 'vector', facts ->> 'name', is_key, is_model) into held, found_vector, found_id;
    if held = 0 then
        raise exception using errcode = 'no_data_found', message = format('samespace.%s: ''%s'' has no row with key %s%s',
            facts ->> 'caller', facts ->> 'title', coalesce(asked, 'NULL'), coalesce(' and model_id ' || asked_id, ''));
    elsif held > 1 then
        raise exception using errcode = 'cardinality_violation', message = format(
            'samespace.%s: ''%s'' holds several vectors for key %s. Pass model_id := <one of %s>.',
            facts ->> 'caller', facts ->> 'title', asked,
            array_to_string(array(select jsonb_array_elements_text(facts -> 'model_ids')), ', '));
    elsif found_vector is null or not {{ own.vector }}.vector_norm(found_vector) > 0 then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.%s: ''%s'' has no usable vector for key %s', facts ->> 'caller', facts ->> 'title', asked);
    end if;
    return next;
end
{%- endset %}
{{ return({
    'name': '_asked_row', 'language': 'plpgsql', 'labels': 'stable parallel safe', 'body': body,
    'returns': 'table (found_vector ' ~ own.vector ~ '.vector, found_id text)', 'arguments': [
        {'name': 'facts', 'type': 'jsonb'}, {'name': 'asked', 'type': 'text'}, {'name': 'asked_id', 'type': 'text'},
    ],
}) }}
{% endmacro %}
