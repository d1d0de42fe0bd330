{#-
    Fails with the rows whose text was longer than the window of its model, when they are more than `max_share` of
    the rows with a text. Read from the cache; for a relation built with `cache: false`, from the record of its last run.
-#}
{% test no_truncated_text(model, max_share=0, key=none) %}
{% set info = samespace._as_relation(model, 'no_truncated_text', key=key) %}
{% set lengths = samespace._truncation_records(info) %}
with __samespace_lengths as (
    {{ lengths or 'select null as key, null as model_id, false as truncated, 1 as texts where false' }}
),

__samespace_shares as (
    select
        model_id,
        sum(case when truncated then texts else 0 end) as truncated_texts,
        sum(texts) as texts
    from __samespace_lengths
    group by model_id
),

final as (
    select
        l.key,
        l.model_id,
        l.texts,
        s.truncated_texts,
        s.texts as of_texts
    from __samespace_lengths as l
    inner join __samespace_shares as s on s.model_id = l.model_id
    where l.truncated and s.truncated_texts > {{ max_share }} * s.texts
)

select * from final
{% endtest %}


{#- SQL of key, model_id, truncated, texts: by row from the caches, else by model from the last run. -#}
{% macro _truncation_records(info) %}
    {% set selects = [] %}
    {% if not execute %}
        {{ return('') }}
    {% endif %}
    {% for spec in samespace._specs().values() if spec.model_id in info.model_ids %}
        {% set cache = samespace._own_table('embedding_cache_' ~ spec.digest) %}
        {% if samespace.table_exists(cache) and samespace._cache_covers(info, spec, cache) %}
            {% do selects.append(samespace._truncated_in_cache(info, spec, cache)) %}
        {% elif samespace.table_exists(samespace._own_table('embedding_runs')) %}
            {% do selects.append(samespace._truncated_in_run(info, spec)) %}
        {% endif %}
    {% endfor %}
    {% if not selects %}
        {{ samespace._raise('no_truncated_text', "nothing is recorded about '" ~ info.title ~ "': it is no relation that samespace built under a "
            ~ 'model of the var samespace_models') }}
    {% endif %}
    {{ return(selects | join('\n    union all\n    ')) }}
{% endmacro %}


{% macro _cache_covers(info, spec, cache) %}
    {{ return((run_query('select count(*) from ' ~ info.sql ~ ' as r where r.content_hash is not null and r.' ~ info.model_id_sql ~ ' = '
        ~ samespace.string_literal(spec.model_id) ~ ' and not exists (select 1 from ' ~ cache
        ~ ' as c where c.content_hash = r.content_hash)').rows[0][0] | int) == 0) }}
{% endmacro %}


{% macro _truncated_in_cache(info, spec, cache) %}
    {{ return('select r.' ~ info.key_sql ~ ' as key, r.' ~ info.model_id_sql ~ ' as model_id, coalesce(c.truncated, false) as truncated, 1 as texts'
        ~ ' from ' ~ info.sql ~ ' as r inner join ' ~ cache ~ ' as c on c.content_hash = r.content_hash and c.role = '
        ~ samespace.string_literal(samespace._cache_role(spec, info.role)) ~ ' where r.' ~ info.model_id_sql ~ ' = '
        ~ samespace.string_literal(spec.model_id)) }}
{% endmacro %}


{% macro _truncated_in_run(info, spec) %}
    {% set last = '(select truncated, rows - nulls as texts from ' ~ samespace._own_table('embedding_runs') ~ ' where relation = '
        ~ samespace.string_literal(info.relation) ~ ' and model_id = ' ~ samespace.string_literal(spec.model_id)
        ~ ' order by finished_at desc limit 1)' %}
    {#- No row says which texts they were: a NULL of the key's type. -#}
    {% set row = 'select (select ' ~ info.key_sql ~ ' from ' ~ info.sql ~ ' where false) as key, ' ~ samespace.string_literal(spec.model_id) ~ ' as model_id, ' %}
    {{ return(row ~ 'true as truncated, truncated as texts from ' ~ last ~ ' as run union all ' ~ row
        ~ 'false as truncated, texts - truncated as texts from ' ~ last ~ ' as run') }}
{% endmacro %}
