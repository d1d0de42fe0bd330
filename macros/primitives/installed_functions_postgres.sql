{#-
    Functions of the schema samespace for SQL without dbt. They run with the caller's rights, look nothing up on the
    search_path (types and operators of pgvector are written with their schema, the rest is pg_catalog's), and no argument
    ever becomes SQL but as a quoted literal. https://www.postgresql.org/docs/current/sql-createfunction.html
-#}
{% macro postgres__installed_functions(relations) %}
    {% set own = samespace._postgres_places() %}
    {% do samespace._check_function_owner() %}
    {% set functions = [samespace._postgres_similarity(own, 'vector')] + ([samespace._postgres_similarity(own, 'halfvec')] if own.halfvec else [])
        + samespace._postgres_search_functions(own) + [samespace._postgres_duplicate_pairs(own)] + samespace._postgres_public_searches(own) %}
    {% set statements = samespace._postgres_preparation(own) %}
    {% for function in functions %}
        {% do statements.append(samespace._postgres_create(own, function)) %}
    {% endfor %}
    {{ return({
        'names': ['similarity', 'search_by_key', 'search_by_vector', 'neighbours', 'duplicates_of', 'duplicate_pairs'],
        'then': 'every relation that ' ~ samespace._own_table('embedding_relations') ~ ' names',
        'statements': statements + samespace._postgres_rights(own, functions),
    }) }}
{% endmacro %}


{#- Only its owner (or a member of that role) replaces a function. -#}
{% macro _check_function_owner() %}
    {% set schema = samespace._own_table('similarity').schema %}
    {% set others = run_query('select distinct pg_catalog.pg_get_userbyid(p.proowner), current_user from pg_catalog.pg_proc as p '
        ~ 'inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace where n.nspname = ' ~ samespace.string_literal(schema)
        ~ " and not pg_catalog.pg_has_role(p.proowner, 'usage') order by 1").rows %}
    {% if others %}
        {{ samespace._raise('install', 'the functions in the schema ' ~ schema ~ ' belong to ' ~ others[0][0] ~ ', and ' ~ others[0][1]
            ~ ' may not replace them. Run this as ' ~ others[0][0] ~ ', or let it grant its role: grant ' ~ samespace._quote(others[0][0])
            ~ ' to ' ~ samespace._quote(others[0][1])) }}
    {% endif %}
{% endmacro %}


{#-
    {schema, vector, vector_format, halfvec, iterative, most}: our schema and that of pgvector, quoted (the latter also for
    the inside of a format string), what this pgvector has, and the number of rows that means all.
-#}
{% macro _postgres_places() %}
    {% set rows = run_query("select n.nspname, x.extversion, exists (select 1 from pg_catalog.pg_type as t "
        ~ "where t.typnamespace = n.oid and t.typname = 'halfvec') from pg_catalog.pg_extension as x "
        ~ "inner join pg_catalog.pg_namespace as n on n.oid = x.extnamespace where x.extname = 'vector'").rows %}
    {% if not rows %}
        {{ samespace._raise('install', "the database '" ~ target.database ~ "' does not have the extension vector. Let an administrator "
            ~ 'run  create extension vector;  there first.') }}
    {% endif %}
    {% set version = rows[0][1].split('.') %}
    {% set vector = samespace._quote(rows[0][0]) %}
    {{ return({
        'schema': samespace._quote(samespace._own_table('similarity').schema), 'vector': vector, 'vector_format': vector | replace('%', '%%'),
        'halfvec': rows[0][2], 'iterative': (version[0] | int, version[1] | int) >= (0, 8), 'most': 9223372036854775807,
    }) }}
{% endmacro %}


{#- The lock first: two at once would fail on one row of the catalog. `create schema if not exists` asks for a right that
    a schema which is there already does not need. -#}
{% macro _postgres_preparation(own) %}
    {% set schema = samespace.string_literal(samespace._own_table('similarity').schema) %}
{% set make %}
begin
    if not exists (select 1 from pg_catalog.pg_namespace where nspname = {{ schema }}) then
        create schema {{ own.schema }};
    end if;
exception when duplicate_schema or unique_violation then
    null;
end
{%- endset %}
    {{ return([
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('samespace: install', 0))",
        'do ' ~ samespace.string_literal(make),
    ]) }}
{% endmacro %}


{#- `function` is {name, arguments: [{name, type, default}], returns, language, labels, settings, body, inlined}. -#}
{% macro _postgres_create(own, function) %}
{% set arguments, types = [], [] %}
{% for argument in function.arguments %}
    {% do types.append(argument.type) %}
    {% do arguments.append(argument.name ~ ' ' ~ argument.type ~ (' default ' ~ argument.default if argument.default else '')) %}
{% endfor %}
{% set create %}
create or replace function {{ own.schema }}.{{ function.name }}({{ arguments | join(', ') }})
returns {{ function.returns }}
language {{ function.language }}
{{ function.labels }}
security invoker
{{ '' if function.inlined else 'set search_path = pg_catalog, pg_temp' }}
{{ function.settings | default('') }}
as {{ samespace.string_literal('\n' ~ (function.body | trim) ~ '\n') }}
{%- endset %}
{#- No function can be replaced by one with other columns or argument names. -#}
{% set block %}
begin
    execute {{ samespace.string_literal(create) }};
exception when invalid_function_definition then
    drop function {{ own.schema }}.{{ function.name }}({{ types | join(', ') }});
    execute {{ samespace.string_literal(create) }};
end
{%- endset %}
{{ return('do ' ~ samespace.string_literal(block)) }}
{% endmacro %}


{#- GRANTs to the roles of the var samespace_grants, where this role may give them. -#}
{% macro _postgres_rights(own, functions) %}
    {% set grants = samespace._grants() %}
    {% set roles, signatures = [], [] %}
    {% for role in grants.build + grants.read %}
        {% do roles.append('public' if role == 'public' else samespace._quote(role)) %}
    {% endfor %}
    {% if not roles %}
        {{ return([]) }}
    {% endif %}
    {% for function in functions %}
        {% do signatures.append(own.schema ~ '.' ~ function.name ~ '(' ~ (function.arguments | map(attribute='type') | join(', ')) ~ ')') %}
    {% endfor %}
{% set block %}
begin
    if (select pg_catalog.pg_has_role(nspowner, 'usage') from pg_catalog.pg_namespace
        where nspname = {{ samespace.string_literal(samespace._own_table('similarity').schema) }}) then
        grant usage on schema {{ own.schema }} to {{ roles | join(', ') }};
    end if;
end
{%- endset %}
    {{ return([
        'do ' ~ samespace.string_literal(block),
        'grant execute on function ' ~ (signatures | join(', ')) ~ ' to ' ~ (roles | join(', ')),
    ]) }}
{% endmacro %}


{#- The refusal of §2 as plpgsql: `titles` and `ids` are two each, a title being SQL of a text. -#}
{% macro _postgres_refusal(macro_sql, left_title, left_ids_sql, right_title, right_ids_sql) %}
    {% set sentence = samespace._different_spaces('<<left>>', ['%3$s'], right_title, ['%4$s']).replace('<<left>>', '%2$s') %}
    {{ return("raise exception using errcode = 'invalid_parameter_value', message = format("
        ~ samespace.string_literal('samespace.%1$s: ' ~ sentence) ~ ', ' ~ macro_sql ~ ', ' ~ left_title ~ ', coalesce(' ~ left_ids_sql
        ~ ", 'NULL'), coalesce(" ~ right_ids_sql ~ ", 'NULL'))") }}
{% endmacro %}


{#-
    Per row, so in pgvector's own fp32: it differs from the exact similarity below the sixth decimal and is a hundred times
    faster. Where its squares would leave fp32 it is exact.
-#}
{% macro _postgres_similarity(own, type) %}
{% set vector = own.vector ~ '.vector' %}
{% set body %}
declare
    a {{ vector }} := embedding_a::{{ vector }};
    b {{ vector }} := embedding_b::{{ vector }};
begin
    if a is null or b is null then
        return null;
    end if;
    if not coalesce({{ samespace.same_space('model_id_a', 'model_id_b') }}, false) then
        {{ samespace._postgres_refusal("'similarity'", "'embedding_a'", 'model_id_a', 'embedding_b', 'model_id_b') }};
    end if;
    if {{ own.vector }}.vector_dims(a) <> {{ own.vector }}.vector_dims(b) then
        raise exception using errcode = 'invalid_parameter_value', message = format(
            'samespace.similarity: embedding_a has %s numbers, embedding_b has %s; vectors of one model have one length',
            {{ own.vector }}.vector_dims(a), {{ own.vector }}.vector_dims(b));
    end if;
    if {{ own.vector }}.vector_norm(a) between 1e-15 and 1e15 and {{ own.vector }}.vector_norm(b) between 1e-15 and 1e15 then
        return 1 - (a operator({{ own.vector }}.<=>) b);
    end if;
    return {{ samespace.postgres__cosine_similarity_exact('a', 'b', 'vector', own.vector) }};
end
{%- endset %}
{{ return({
    'name': 'similarity', 'language': 'plpgsql', 'labels': 'stable parallel safe cost 1000', 'body': body,
    'returns': 'double precision', 'arguments': [
        {'name': 'embedding_a', 'type': own.vector ~ '.' ~ type}, {'name': 'model_id_a', 'type': 'text'},
        {'name': 'embedding_b', 'type': own.vector ~ '.' ~ type}, {'name': 'model_id_b', 'type': 'text'},
    ],
}) }}
{% endmacro %}
