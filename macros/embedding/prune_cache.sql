{#-
    dbt run-operation samespace.prune_cache --args '{days: 30, apply: true}'

    Mark and sweep over every cache table of the database. A vector that no relation of embedding_relations uses is
    marked with the time (unused_since, the database's clock); one that is used again loses its mark; one marked for
    `days` is removed. Cells of tables that are gone go at once. Without `apply` it says what would happen and changes nothing.
-#}
{% macro prune_cache(days=30, apply=false) %}
    {% do samespace._check_prune(days, apply) %}
    {% set tables = samespace.own_tables('embedding_cache_') if execute else [] %}
    {% set relations = samespace._prune_relations() if tables else [] %}
    {% set removed = [] %}
    {% for name in tables %}
        {% do removed.append(samespace._prune_table(name, relations, days, apply)) %}
    {% endfor %}
    {% set cells = samespace._prune_cells(apply) if execute else 0 %}
    {% if execute and apply and (tables or cells) %}
        {% do adapter.commit() %}
    {% endif %}
    {% if not tables %}
        {% do samespace._say_pruned('there is no cache in ' ~ samespace._own_table('x').without_identifier()) %}
    {% elif not apply %}
        {% do samespace._say_pruned("nothing was changed; to mark and remove, add apply: true to --args") %}
    {% endif %}
    {{ return(removed | sum) }}
{% endmacro %}


{% macro _check_prune(days, apply) %}
    {% set problems = [] %}
    {% if days is boolean or days is not number or not days >= 0 or days > 36500 %}
        {% do problems.append('days is ' ~ tojson(days, days | string) ~ '; expected a number from 0 to 36500') %}
    {% endif %}
    {% if apply is not boolean %}
        {% do problems.append('apply is ' ~ tojson(apply, apply | string) ~ '; expected true or false') %}
    {% endif %}
    {% if problems %}
        {{ samespace._raise('prune_cache', problems | join('; ')) }}
    {% endif %}
{% endmacro %}


{#- What is recorded of every relation: {relation, role, ids, state}, state being used, gone or unreadable. -#}
{% macro _prune_relations() %}
    {% set table, found = samespace._own_table('embedding_relations'), [] %}
    {% set readable = samespace.readable_databases() %}
    {% for row in (run_query('select database_name, schema_name, identifier, role, ' ~ samespace.text_list('model_ids') ~ ' from '
        ~ table ~ ' order by 1, 2, 3').rows if samespace.table_exists(table) else []) %}
        {% set relation = api.Relation.create(database=row[0], schema=row[1], identifier=row[2],
            quote_policy={'database': true, 'schema': true, 'identifier': true}) %}
        {% set state = 'unreadable' if row[0] not in readable or samespace.table_hidden(relation) else ('gone' if not samespace.table_exists(relation) else 'used') %}
        {% if state == 'used' and not samespace._holds_hashes(relation) %}{% set state = 'unreadable' %}{% endif %}
        {% do found.append({'relation': relation, 'role': row[3], 'ids': (row[4] or '').split(',') | select | list, 'state': state}) %}
        {% if state != 'used' %}
            {% do samespace._say_pruned(relation ~ (
                ' is recorded but no longer exists, so it keeps no vector' if state == 'gone' else
                ' cannot be read here, so every vector of ' ~ (row[4] or 'its models') ~ ' is kept')) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro _holds_hashes(relation) %}
    {% set names = adapter.get_column_schema_from_query('select * from ' ~ relation ~ ' where 1 = 0') | map(attribute='name') | list %}
    {{ return('model_id' in names and 'content_hash' in names) }}
{% endmacro %}


{#- One cache table: counts and the sentence about it; with `apply`, the marks and the sweep. Returns the rows swept. -#}
{% macro _prune_table(name, relations, days, apply) %}
    {% set digest = name.replace('embedding_cache_', '', 1) %}
    {% set cache, suffix = samespace._own_table(name), '@' ~ digest[:8] %}
    {% set model = samespace._registered(digest) %}
    {% set users, locked = [], [] %}
    {% for entry in relations if entry.state == 'used' %}{% do users.append(samespace._uses(entry, suffix, model)) %}{% endfor %}
    {% for entry in relations if entry.state == 'unreadable' %}
        {% for id in entry.ids if id.endswith(suffix) %}{% do locked.append(id) %}{% endfor %}
    {% endfor %}
    {% set used = '(' ~ (users or ['1 = 0']) | join(' or ') ~ ')' if not locked else '(1 = 1)' %}
    {% set seconds = (days * 86400) | round | int %}
    {% set expired = samespace._unused_since() ~ ' <= ' ~ samespace.utc_now() ~ " - interval '" ~ seconds ~ " seconds'" %}
    {% set row = run_query('select count(*), coalesce(sum(case when ' ~ used ~ ' then 1 else 0 end), 0), coalesce(sum(case when not '
        ~ used ~ ' and ' ~ expired ~ ' then 1 else 0 end), 0) from ' ~ cache ~ ' as c').rows[0] %}
    {% set total, kept, swept = row[0] | int, row[1] | int, row[2] | int %}
    {% set empty = total == swept and not locked and not samespace._has_relation(relations, suffix) and samespace.may_drop(cache) %}
    {% if apply %}
        {% do samespace._mark_and_sweep(cache, used, expired, empty) %}
    {% endif %}
    {% do samespace._say_pruned(model.title ~ ': ' ~ ('{:,}'.format(swept)) ~ ' of ' ~ ('{:,}'.format(total)) ~ ' vectors ('
        ~ '{:,.1f}'.format(swept * 4 * (model.dimension or 0) / 1000000) ~ ' MB) unused for ' ~ days ~ ' days '
        ~ ('removed' if apply else 'would be removed') ~ (', the empty table ' ~ ('dropped' if apply else 'too') if empty else '')
        ~ '; ' ~ '{:,}'.format(total - kept - swept) ~ ' unused for less; ' ~ '{:,}'.format(kept) ~ ' in use') %}
    {{ return(swept) }}
{% endmacro %}


{#- {title, dimension, identity} of the models registered under a fingerprint (several names may share one). -#}
{% macro _registered(digest) %}
    {% set table = samespace._own_table('embedding_models') %}
    {% set rows = run_query('select model_id, dimension, spec from ' ~ table ~ ' where digest = '
        ~ samespace.string_literal(digest) ~ ' order by model_id').rows if samespace.table_exists(table) else [] %}
    {% if not rows %}
        {{ return({'title': 'fingerprint ' ~ digest ~ ' (not registered)', 'dimension': none, 'identity': none}) }}
    {% endif %}
    {% set ids = [] %}
    {% for row in rows %}{% do ids.append(row[0]) %}{% endfor %}
    {{ return({'title': ids | join(', '), 'dimension': rows[0][1] | int, 'identity': fromjson(rows[0][2])}) }}
{% endmacro %}


{#- SQL: whether a relation uses cache row c. Ids are matched by fingerprint: a renamed model keeps its vectors. -#}
{% macro _uses(entry, suffix, model) %}
    {% set role = samespace._cache_role({'identity': model.identity}, entry.role) if model.identity is not none else none %}
    {{ return((('c.role = ' ~ samespace.string_literal(role) ~ ' and ') if role else '') ~ 'c.content_hash in (select t.content_hash from '
        ~ entry.relation ~ " as t where t.content_hash is not null and t.model_id like '%" ~ suffix ~ "')") }}
{% endmacro %}


{% macro _has_relation(relations, suffix) %}
    {% for entry in relations if entry.state != 'gone' %}
        {% for id in entry.ids if id.endswith(suffix) %}{{ return(true) }}{% endfor %}
    {% endfor %}
    {{ return(false) }}
{% endmacro %}


{#- SQL: since when an unused row is unused: its mark, now where it has none; a query text since it was made. -#}
{% macro _unused_since() %}
    {{ return("coalesce(c.unused_since, case when c.role = 'query' then c.created_at else " ~ samespace.utc_now() ~ ' end)') }}
{% endmacro %}


{% macro _mark_and_sweep(cache, used, expired, empty) %}
    {% if empty %}
        {% call statement('samespace_drop_cache') %}drop table {{ cache }}{% endcall %}
        {{ return('') }}
    {% endif %}
    {% call statement('samespace_sweep') %}delete from {{ cache }} as c where not {{ used }} and {{ expired }}{% endcall %}
    {% call statement('samespace_mark') %}
        update {{ cache }} as c set unused_since = {{ samespace._unused_since() }} where not {{ used }} and c.unused_since is null
    {% endcall %}
    {% call statement('samespace_unmark') %}
        update {{ cache }} as c set unused_since = null where {{ used }} and c.unused_since is not null
    {% endcall %}
{% endmacro %}


{% macro _say_pruned(message) %}
    {% if execute %}
        {% do log('samespace.prune_cache: ' ~ message, info=true) %}
    {% endif %}
{% endmacro %}
