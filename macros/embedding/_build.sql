{#- SQL of the finished relation: the staged rows with model_id and embedding, one select per model. -#}
{% macro _final_select(columns, options, outcome) %}
    {% set selects = [] %}
    {% for spec in options.specs %}
        {% do selects.append(
            'select ' ~ samespace._prefixed(columns, 's') ~ ', cast(' ~ samespace.string_literal(spec.model_id)
            ~ ' as varchar) as model_id, s.content_hash, ' ~ samespace.to_vector('c.embedding', spec.dimension) ~ ' as embedding'
            ~ ' from __samespace_stage as s left join ' ~ outcome[spec.model_id].cache ~ ' as c'
            ~ ' on c.content_hash = s.content_hash and c.role = ' ~ samespace.string_literal(samespace._cache_role(spec, options.role))) %}
    {% endfor %}
    {{ return(selects | join('\nunion all\n')) }}
{% endmacro %}


{% macro _prefixed(columns, alias) %}
    {% set names = [] %}
    {% for column in columns %}{% do names.append(alias ~ '.' ~ adapter.quote(column)) %}{% endfor %}
    {{ return(names | join(', ')) }}
{% endmacro %}


{#- One role where both prompts are equal, so that documents and queries share their vectors. Mirrors ModelSpec.cache_role. -#}
{% macro _cache_role(spec, role) %}
    {% set prompts = spec.identity.get('prompts') or {} %}
    {{ return(role if prompts.get('document', '') != prompts.get('query', '') else 'document') }}
{% endmacro %}


{#-
    What differs between the stage and the table, in __samespace_delta: 'insert' and 'embed' rows need a vector,
    'update' rows differ in other columns only. Rows gone from the select are counted here and deleted by _merge.
-#}
{% macro _find_changes(existing, key, columns, options) %}
    {% set k = adapter.quote(key) %}
    {% set ids = [] %}
    {% for spec in options.specs %}{% do ids.append('(' ~ samespace.string_literal(spec.model_id) ~ ')') %}{% endfor %}
    {% set different = ['t.' ~ k ~ ' is null', 't.content_hash is distinct from s.content_hash'] %}
    {% for column in columns %}
        {% do different.append('t.' ~ adapter.quote(column) ~ ' is distinct from s.' ~ adapter.quote(column)) %}
    {% endfor %}
    {% call statement('samespace_delta') %}
        {{ samespace.create_temp_table('__samespace_delta',
            'select s.*, m.model_id, case when t.' ~ k ~ " is null then 'insert' "
            ~ "when t.content_hash is distinct from s.content_hash then 'embed' else 'update' end as __samespace_change "
            ~ 'from __samespace_stage as s cross join (values ' ~ (ids | join(', ')) ~ ') as m(model_id) '
            ~ 'left join ' ~ existing ~ ' as t on t.' ~ k ~ ' = s.' ~ k ~ ' and t.model_id = m.model_id '
            ~ 'where ' ~ (different | join(' or '))) }}
    {% endcall %}
    {{ return(samespace._count_changes(options,
        'select model_id, __samespace_change, count(*) from __samespace_delta group by 1, 2 union all '
        ~ "select t.model_id, 'remove', count(*) from " ~ existing ~ ' as t where ' ~ samespace._is_gone(k, ids) ~ ' group by 1')) }}
{% endmacro %}


{#- {inserted, embedded, updated, removed, by_model: {model_id: the same}} of a query of model_id, change, rows. -#}
{% macro _count_changes(options, query) %}
    {% set words = {'insert': 'inserted', 'embed': 'embedded', 'update': 'updated', 'remove': 'removed'} %}
    {% set none_yet = {'inserted': 0, 'embedded': 0, 'updated': 0, 'removed': 0} %}
    {% set total, by_model = dict(none_yet), {} %}
    {% for spec in options.specs %}{% do by_model.update({spec.model_id: dict(none_yet)}) %}{% endfor %}
    {% for row in (run_query(query).rows if query else []) %}
        {% set word, counts = words[row[1]], by_model.get(row[0], dict(none_yet)) %}
        {% do counts.update({word: counts[word] + row[2] | int}) %}
        {% do total.update({word: total[word] + row[2] | int}) %}
        {% do by_model.update({row[0]: counts}) %}
    {% endfor %}
    {{ return(dict(total, by_model=by_model)) }}
{% endmacro %}


{% macro _is_gone(k, ids) %}
    {{ return('(not exists (select 1 from __samespace_stage as s where s.' ~ k ~ ' = t.' ~ k ~ ') or t.model_id not in ('
        ~ (ids | join(', ')) ~ '))') }}
{% endmacro %}


{#- Phase C for a table that stays: delete, update without touching vectors, replace changed texts, insert. -#}
{% macro _merge(existing, key, columns, options, outcome, changes, keep_gone) %}
    {% set k = adapter.quote(key) %}
    {% set statements, ids, assignments = [], [], [] %}
    {% for spec in options.specs %}{% do ids.append('(' ~ samespace.string_literal(spec.model_id) ~ ')') %}{% endfor %}
    {% if changes.removed and not keep_gone %}
        {% do statements.append('delete from ' ~ existing ~ ' as t where ' ~ samespace._is_gone(k, ids)) %}
    {% endif %}
    {% for column in columns if column | lower != key | lower %}
        {% do assignments.append(adapter.quote(column) ~ ' = d.' ~ adapter.quote(column)) %}
    {% endfor %}
    {% set matched = ' from __samespace_delta as d where t.' ~ k ~ ' = d.' ~ k ~ ' and t.model_id = d.model_id and d.__samespace_change = ' %}
    {% if changes.updated and assignments %}
        {% do statements.append('update ' ~ existing ~ ' as t set ' ~ (assignments | join(', ')) ~ matched ~ "'update'") %}
    {% endif %}
    {% if changes.embedded %}
        {% do statements.append('delete from ' ~ existing ~ ' as t using __samespace_delta as d where t.' ~ k ~ ' = d.' ~ k
            ~ " and t.model_id = d.model_id and d.__samespace_change = 'embed'") %}
    {% endif %}
    {% if changes.inserted or changes.embedded %}
        {% set names = [] %}
        {% for column in columns %}{% do names.append(adapter.quote(column)) %}{% endfor %}
        {% do statements.append('insert into ' ~ existing ~ ' (' ~ (names | join(', ')) ~ ', model_id, content_hash, embedding) '
            ~ 'select f.* from (' ~ samespace._final_select(columns, options, outcome) ~ ') as f where exists ('
            ~ 'select 1 from __samespace_delta as d where d.' ~ k ~ ' = f.' ~ k ~ ' and d.model_id = f.model_id '
            ~ "and d.__samespace_change in ('insert', 'embed'))") %}
    {% endif %}
    {{ return(statements) }}
{% endmacro %}
