{#-
    Fails with key, model_id and reason for every row whose vector is older than what it stands for: the text has changed
    since (also against `source`, the relation that the texts come from), the spec has changed, or the relation was last
    built longer ago than `max_age` ('2 days').
-#}
{% test embedding_is_fresh(model, key=none, text=none, source=none, max_age=none) %}
{% set info = samespace._as_relation(model, 'embedding_is_fresh', key=key, text=text) %}
{% set text_sql = info.text_sql or samespace._quote('text') %}
{% if info.text is none %}
    {{ samespace._raise('embedding_is_fresh', "the text column of '" ~ info.title ~ "' is not known. Pass text=.") }}
{% endif %}
with __samespace_rows as (
    select
        {{ info.key_sql }} as key,
        {{ info.model_id_sql }} as model_id,
        content_hash,
        {{ text_sql }} as text_value
    from {{ info.sql }}
),

__samespace_stale as (
    select key, model_id, 'the text has changed' as reason
    from __samespace_rows
    where {{ samespace._hash_differs('content_hash', 'text_value') }}
    union all
    select key, model_id, 'the spec of the model has changed' as reason
    from __samespace_rows
    where {{ samespace._of_an_older_spec('model_id') }}
    {%- if source is not none %}
    union all
    select s.{{ info.key_sql }}, r.model_id, case when r.key is null then 'not embedded yet' else 'the text of the source has changed' end
    from (select * from {{ source }}) as s
    left join __samespace_rows as r on r.key = s.{{ info.key_sql }}
    where r.key is null or {{ samespace._hash_differs('r.content_hash', 's.' ~ text_sql) }}
    union all
    select r.key, r.model_id, 'gone from the source' as reason
    from __samespace_rows as r
    where not exists (select 1 from (select * from {{ source }}) as s where s.{{ info.key_sql }} = r.key)
    {%- endif %}
    {%- if max_age is not none %}
    union all
    select null as key, null as model_id, {{ samespace.string_literal('not built within ' ~ max_age) }} as reason
    where {{ samespace._not_built_within(info, max_age) }}
    {%- endif %}
)

select * from __samespace_stale
{% endtest %}


{#- A NULL or blank text has no hash, unless the model says embed_empty. -#}
{% macro _hash_differs(content_hash, text) %}
    {{ return('(' ~ content_hash ~ ' is distinct from ' ~ samespace.content_hash(text) ~ ' and not (' ~ content_hash ~ ' is null and ('
        ~ text ~ ' is null or ' ~ samespace.is_blank(text) ~ ')))') }}
{% endmacro %}


{#- SQL: whether a model_id carries the name of a model in the var, and not the id which that model has now. -#}
{% macro _of_an_older_spec(model_id) %}
    {% set conditions = [] %}
    {% for spec in samespace._specs().values() %}
        {% set prefix = spec.name ~ '@' %}
        {% do conditions.append('(substr(' ~ model_id ~ ', 1, ' ~ (prefix | length) ~ ') = ' ~ samespace.string_literal(prefix)
            ~ ' and ' ~ model_id ~ ' <> ' ~ samespace.string_literal(spec.model_id) ~ ')') %}
    {% endfor %}
    {{ return(conditions | join(' or ') or 'false') }}
{% endmacro %}


{% macro _not_built_within(info, max_age) %}
    {% if max_age is not string or not modules.re.match('^[1-9][0-9]* (minute|hour|day|week)s?$', max_age) %}
        {{ samespace._raise('embedding_is_fresh', 'max_age is ' ~ max_age ~ "; expected a number of minutes, hours, days or weeks, such as '2 days'") }}
    {% endif %}
    {% set table = samespace._own_table('embedding_relations') %}
    {% if not execute or info.inline or not samespace.table_exists(table) %}
        {{ return('true') }}
    {% endif %}
    {{ return('not exists (select 1 from ' ~ table ~ ' where ' ~ samespace._is_recorded(info) ~ ' and updated_at >= ' ~ samespace.utc_now()
        ~ ' - interval ' ~ samespace.string_literal(max_age) ~ ')') }}
{% endmacro %}


{#- SQL: whether a row of embedding_relations is this relation's. -#}
{% macro _is_recorded(info) %}
    {{ return('identifier = ' ~ samespace.string_literal(info.relation.identifier) ~ ' and schema_name = '
        ~ samespace.string_literal(info.relation.schema) ~ ' and database_name = '
        ~ samespace.string_literal(info.relation.database or target.database)) }}
{% endmacro %}
