{#- A model_id from the name of a model, or from a full id (rows that another project embedded have no name here). -#}
{% macro _id_of(model, macro) %}
    {% if model is string and modules.re.match('^[A-Za-z_][A-Za-z0-9_-]*@[0-9a-f]{8}$', model) %}
        {{ return(model) }}
    {% endif %}
    {{ return(samespace._spec(model, macro).model_id) }}
{% endmacro %}


{#-
    {model_id: rows} that a relation holds now, asked while dbt builds or shows; {} elsewhere. Stops where a column is
    missing, or where the relation already has a column that the result adds.
-#}
{% macro _held_ids(macro, info, added=[]) %}
    {% set held = {} %}
    {% if not execute or info.inline or flags.WHICH not in ['run', 'build', 'retry', 'show'] %}
        {{ return(held) }}
    {% endif %}
    {% if info.columns is none %}
        {{ return(held) }}
    {% endif %}
    {{ samespace._check_relation_columns(macro, info, info.columns | map('lower') | list, added) }}
    {% set counted = samespace.recorded_counts(info) %}
    {% if counted is not none %}
        {{ return(counted) }}
    {% endif %}
    {% for row in run_query('select ' ~ info.model_id_sql ~ ', count(*) from ' ~ info.sql ~ ' group by 1 order by '
        ~ samespace.sort_key(info.model_id_sql, 'text')).rows %}
        {% do held.update({row[0]: row[1] | int}) %}
    {% endfor %}
    {{ return(held) }}
{% endmacro %}


{% macro _check_relation_columns(macro, info, columns, added) %}
    {% for name in [info.key, info.embedding, info.model_id] if name | lower not in columns %}
        {{ samespace._raise(macro, "'" ~ info.title ~ "' has no column '" ~ name ~ "'; it has: " ~ (columns | join(', '))
            ~ '. Pass key= and embedding= where they have other names; every row needs a model_id.') }}
    {% endfor %}
    {% for name in added if name in columns %}
        {{ samespace._raise(macro, "'" ~ info.title ~ "' has a column '" ~ name ~ "', which the result adds; rename it first") }}
    {% endfor %}
{% endmacro %}


{#- Stop while rendering where it is known that the relation holds nothing of the query's space. -#}
{% macro _check_space(macro, info, held, id) %}
    {{ samespace.assert_one_space(macro, info.title, info.model_ids, 'the query vector', [id]) }}
    {{ samespace.assert_one_space(macro, info.title, held.keys() | reject('none') | list, 'the query vector', [id]) }}
{% endmacro %}


{#- Log how many rows are left out because of their model_id. -#}
{% macro _say_other_spaces(macro, info, held, ids) %}
    {% set spaces, others, counts = [], [], [] %}
    {% for id in ids %}{% do spaces.append(samespace._space_of_id(id)) %}{% endfor %}
    {% for id, rows in held.items() if id is none or samespace._space_of_id(id) not in spaces %}
        {% do others.append((id if id is not none else 'no model_id') ~ ' (' ~ '{:,}'.format(rows) ~ ')') %}
        {% do counts.append(rows) %}
    {% endfor %}
    {% if others %}
        {{ samespace._say(macro, "'" ~ info.title ~ "': rows left out: " ~ '{:,}'.format(counts | sum)
            ~ ' because of their model_id: ' ~ (others | join(', ')) ~ '. samespace.excluded_rows lists them.') }}
    {% endif %}
{% endmacro %}


{#- Log rows without a model_id or a key, for macros that compare a relation with itself under whatever models it holds. -#}
{% macro _say_unseen(macro, info) %}
    {% set held = samespace._held_ids(macro, info) %}
    {{ samespace._say_other_spaces(macro, info, held, held.keys() | reject('none') | list) }}
    {{ samespace._say_no_key(macro, info) }}
{% endmacro %}


{% macro _say_no_key(macro, info) %}
    {% if execute and flags.WHICH in ['run', 'build', 'retry'] and not info.inline and not info.built and not flags.EMPTY and load_relation(info.relation) is not none %}
        {% set rows = run_query('select count(*) from ' ~ info.sql ~ ' where ' ~ info.key_sql ~ ' is null').rows[0][0] %}
        {% if rows %}
            {{ samespace._say(macro, "'" ~ info.title ~ "': rows left out: " ~ rows ~ ' without a key (' ~ info.key ~ ' is NULL)') }}
        {% endif %}
    {% endif %}
{% endmacro %}


{#- SQL of one boolean: stops with the message of the first [condition, message SQL] that holds, else true. -#}
{% macro _stop_if(problems) %}
    {% set conditions, branches = [], [] %}
    {% for condition, message in problems %}
        {% do conditions.append('(' ~ condition ~ ')') %}
        {% do branches.append('when ' ~ condition ~ ' then ' ~ message) %}
    {% endfor %}
    {{ return(samespace.error_if(conditions | join(' or '), 'case ' ~ (branches | join(' ')) ~ ' end')) }}
{% endmacro %}


{#- SQL: the sentence of a refused comparison, with ids that only the rows know. -#}
{% macro _different_spaces_sql(macro, left_title, left_ids_sql, right_title, right_ids_sql) %}
    {% set sentence = 'samespace.' ~ macro ~ ': ' ~ samespace._different_spaces(left_title, ['<<ids>>'], right_title, ['<<ids>>']) %}
    {% set parts = [] %}
    {% for part in sentence.split('<<ids>>') %}{% do parts.append(samespace.string_literal(part)) %}{% endfor %}
    {#- A row without a model_id must not make the whole sentence NULL. -#}
    {{ return('(' ~ parts[0] ~ ' || coalesce(' ~ left_ids_sql ~ ", 'NULL') || " ~ parts[1] ~ ' || coalesce(' ~ right_ids_sql
        ~ ", 'NULL') || " ~ parts[2] ~ ')') }}
{% endmacro %}
