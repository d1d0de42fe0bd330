{#- Macros are stored in the database file. https://duckdb.org/docs/stable/sql/statements/create_macro -#}
{% macro duckdb__installed_functions(relations) %}
    {% set source = samespace._duckdb_relation_query(relations) %}
    {{ return({
        'names': ['similarity', 'search_by_key', 'search_by_vector'],
        'then': (relations | length) ~ (' relation: ' if relations | length == 1 else ' relations: ')
            ~ (relations | map(attribute='identifier') | join(', ') or 'none'),
        'statements': [
            'create schema if not exists ' ~ samespace._own_table('similarity').without_identifier(),
            samespace._duckdb_similarity(),
            samespace._duckdb_search_function('search_by_key', 'relation, key, k := 10, model_id := null', source, samespace._duckdb_by_key()),
            samespace._duckdb_search_function('search_by_vector', 'relation, vector, model_id, k := 10', source, samespace._duckdb_by_vector()),
        ],
    }) }}
{% endmacro %}


{% macro _duckdb_similarity() %}
{% set sql %}
create or replace macro {{ samespace._own_table('similarity') }}(embedding_a, model_id_a, embedding_b, model_id_b) as
    case
        when embedding_a is null or embedding_b is null then null
        when not coalesce({{ samespace.same_space('cast(model_id_a as varchar)', 'cast(model_id_b as varchar)') }}, false)
            then error({{ samespace._different_spaces_sql('similarity', 'embedding_a', "coalesce(model_id_a, 'NULL')",
                'embedding_b', "coalesce(model_id_b, 'NULL')") }})
        when {{ samespace.usable_vector('embedding_a') }} and {{ samespace.usable_vector('embedding_b') }}
            then {{ samespace.cosine_similarity_exact('embedding_a', 'embedding_b') }}
    end
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#-
    SQL text, chosen by the argument `relation`, that selects the rows of that relation under fixed names. A name is only
    ever looked up, never made part of SQL. query() takes a constant, so the list is of the moment of installing.
    https://duckdb.org/docs/stable/guides/sql_features/query_and_query_table_functions
-#}
{% macro _duckdb_relation_query(relations) %}
    {% set branches, spellings = [], [] %}
    {% for relation in relations %}
        {% for name in samespace._duckdb_spellings(relation, relations) if name not in spellings %}
            {% do spellings.append(name) %}
            {% do branches.append('when ' ~ samespace.string_literal(name) ~ ' then '
                ~ samespace.string_literal(samespace._duckdb_rows_of(relation))) %}
        {% endfor %}
    {% endfor %}
    {% set known = relations | map(attribute='identifier') | unique | join(', ') or 'none' %}
    {% set unknown = "samespace: there is no embedding relation '" %}
    {% set advice = "' that could be meant. Known: " ~ known ~ ' (write schema.name where two have one name). '
        ~ 'After building a new one: dbt run-operation samespace.install' %}
    {% set nothing = "'select null as __samespace_key, null::varchar as __samespace_key_text, null::float[] as __samespace_vector, "
        ~ "null::varchar as __samespace_model_id where error(''" ~ unknown.replace("'", "''''") ~ "' || replace(coalesce(cast(relation as varchar), 'NULL'), "
        ~ "'''', '''''') || '" ~ advice.replace("'", "''''") ~ "'') is null'" %}
    {{ return('case ' ~ ('lower(cast(relation as varchar)) ' if branches else '') ~ (branches | join('\n            ') or 'when false then null') ~ ' else ' ~ nothing ~ ' end') }}
{% endmacro %}


{#- The ways to write a relation's name: without its schema only where no other relation has that name. -#}
{% macro _duckdb_spellings(relation, relations) %}
    {% set names = [relation.database ~ '.' ~ relation.schema ~ '.' ~ relation.identifier] %}
    {% set namesakes = relations | selectattr('identifier', 'equalto', relation.identifier) | list %}
    {% if namesakes | selectattr('schema', 'equalto', relation.schema) | list | length == 1 or relation.database == target.database %}
        {% do names.append(relation.schema ~ '.' ~ relation.identifier) %}
    {% endif %}
    {% if namesakes | length == 1 %}
        {% do names.append(relation.identifier) %}
    {% endif %}
    {{ return(names | map('lower') | list) }}
{% endmacro %}


{#- Without the name of the database, so that a copied, renamed or attached file still finds its tables. -#}
{% macro _duckdb_rows_of(relation) %}
    {% set parts = [] %}
    {% for part in ([] if relation.database == target.database else [relation.database]) + [relation.schema, relation.identifier] %}
        {% do parts.append(samespace._duckdb_quoted(part)) %}
    {% endfor %}
    {% set key, vector = samespace._duckdb_quoted(relation.key), samespace._duckdb_quoted(relation.embedding) %}
    {#- A relation may get or lose its cells without an install. -#}
    {{ return('select ' ~ key ~ ' as __samespace_key, cast(' ~ key ~ ' as varchar) as __samespace_key_text, ' ~ vector
        ~ " as __samespace_vector, model_id as __samespace_model_id, * exclude (" ~ vector ~ ") not similar to '__samespace_cell'" ~ ' from ' ~ (parts | join('.'))) }}
{% endmacro %}


{% macro _duckdb_quoted(name) %}
    {{ return('"' ~ name.replace('"', '""') ~ '"') }}
{% endmacro %}


{#- What differs between the two searches: the query row, its model_id, which rows to leave out, and what may be wrong. -#}
{% macro _duckdb_by_key() %}
    {% set who = samespace.string_literal("samespace.search_by_key: '") ~ " || cast(relation as varchar) || " %}
    {% set what = " || coalesce(cast(key as varchar), 'NULL')" %}
    {{ return({
        'name': 'search_by_key', 'others': 'and s.__samespace_key_text <> cast(key as varchar)',
        'id': '(select max(id) from __samespace_query)',
        'query': 'select s.__samespace_vector as vector, s.__samespace_model_id as id from __samespace_source as s '
            ~ 'where s.__samespace_key_text = cast(key as varchar) and (cast(model_id as varchar) is null or s.__samespace_model_id = model_id)',
        'problems': [
            ['vectors = 0', who ~ samespace.string_literal("' has no row with key ") ~ what
                ~ " || coalesce(' and model_id ' || cast(model_id as varchar), '')"],
            ['vectors > 1', who ~ samespace.string_literal("' holds several vectors for key ") ~ what
                ~ ' || ' ~ samespace.string_literal('. Pass model_id := <one of ') ~ " || names || '>.'"],
            ['usable = 0', who ~ samespace.string_literal("' has no usable vector for key ") ~ what],
        ],
    }) }}
{% endmacro %}


{% macro _duckdb_by_vector() %}
    {{ return({
        'name': 'search_by_vector', 'others': '', 'id': 'cast(model_id as varchar)',
        'query': 'select cast(vector as float[]) as vector, cast(model_id as varchar) as id',
        'problems': [['usable = 0', samespace.string_literal('samespace.search_by_vector: the query vector is NULL, zero, or holds NaN or infinity')]],
    }) }}
{% endmacro %}


{#- The same steps as samespace.search. Not materialized: the source is read column by column, three times, never kept. -#}
{% macro _duckdb_search_function(name, arguments, source, form) %}
{% set other = ['held > 0 and coalesce(same, 0) = 0', samespace._different_spaces_sql(form.name, '<<relation>>', 'names', 'the query vector',
    "coalesce(" ~ form.id ~ ", 'NULL')").replace('<<relation>>', "' || cast(relation as varchar) || '")] %}
{% set sql %}
create or replace macro {{ samespace._own_table(name) }}({{ arguments }}) as table
with __samespace_source as not materialized (
    select * from query({{ source }})
),

__samespace_query as (
    {{ form.query }}
),

__samespace_guard as (
    select {{ samespace._stop_if(form.problems + [other]) }} as passed
    from (
        select
            count(*) as held,
            count(*) filter (where {{ samespace.same_space('ids.id', form.id) }}) as same,
            string_agg(coalesce(ids.id, 'NULL'), ', ' order by ids.id) as names,
            (select count(*) from __samespace_query) as vectors,
            (select count(*) from __samespace_query as q where {{ samespace.usable_vector('q.vector') }}) as usable
        from (select distinct s.__samespace_model_id as id from __samespace_source as s) as ids
    ) as sides
),

__samespace_candidates as (
    select *
    from (
        select
            s.*,
            q.vector as __samespace_asked,
            case
                when s.__samespace_vector is not null and q.vector is not null
                    then list_cosine_similarity(cast(s.__samespace_vector as float[]), cast(q.vector as float[]))
            end as __samespace_fast
        from __samespace_source as s
        cross join __samespace_query as q
        where {{ samespace.same_space('s.__samespace_model_id', form.id) }} {{ form.others }}
    ) as compared
    where {{ samespace.usable_similarity('compared.__samespace_fast', 'compared.__samespace_vector') }}
    order by compared.__samespace_fast desc, compared.__samespace_key
    limit k + {{ samespace._slack() }}
),

__samespace_guarded as (
    select * from __samespace_candidates
    union all
    select c.*
    from __samespace_guard as g
    left join __samespace_candidates as c on false
    where not g.passed
),

__samespace_scored as (
    select
        c.*,
        round({{ samespace.cosine_similarity_exact('c.__samespace_vector', 'c.__samespace_asked') }}, 6) as __samespace_similarity
    from __samespace_guarded as c
),

__samespace_ranked as (
    select
        s.*,
        cast(row_number() over (
            order by s.__samespace_similarity desc, s.__samespace_key, s.__samespace_model_id
        ) as integer) as __samespace_rank
    from __samespace_scored as s
)

select
    r.* exclude (
        __samespace_key, __samespace_key_text, __samespace_vector, __samespace_model_id, __samespace_asked,
        __samespace_fast, __samespace_similarity, __samespace_rank
    ),
    r.__samespace_similarity as similarity,
    r.__samespace_rank as rank
from __samespace_ranked as r
where r.__samespace_rank <= k
order by r.__samespace_rank
{%- endset %}
{{ return(sql) }}
{% endmacro %}
