{#- Phase A: the model's rows with their content_hash, in a temp table of this connection. -#}
{% macro _stage(title, options, source_sql) %}
    {% do samespace._check_columns(title, options, source_sql) %}
    {% set text = samespace._quote(options.text) %}
    {% set nothing = text ~ ' is null' ~ ('' if options.embed_empty else ' or ' ~ samespace.is_blank(text)) %}
    {% call statement('samespace_stage') %}
        {{ samespace.create_temp_table('__samespace_stage',
            'select *, case when ' ~ nothing ~ ' then null else ' ~ samespace.content_hash(text) ~ ' end as content_hash '
            ~ 'from (' ~ source_sql ~ '\n) as __samespace_source') }}
    {% endcall %}
{% endmacro %}


{% macro _check_columns(title, options, source_sql) %}
    {% set columns = adapter.get_column_schema_from_query(source_sql ~ '\n') %}
    {% set names = columns | map(attribute='name') | list %}
    {% set lowered = names | map('lower') | list %}
    {% set problems = [] %}
    {% for reserved in samespace._own_columns() if reserved in lowered %}
        {% do problems.append("the select already has a column '" ~ reserved ~ "', which samespace adds; rename it") %}
    {% endfor %}
    {% set ignore_case = samespace.column_names_ignore_case() %}
    {% for option in ['key', 'text'] if options[option] not in names and not (ignore_case and options[option] | lower in lowered) %}
        {% do problems.append(option ~ "='" ~ options[option] ~ "' is not a column of the select; it has: " ~ (names | join(', '))) %}
    {% endfor %}
    {% for column in columns if column.name | lower == options.text | lower and not samespace.is_text_type(column.data_type) %}
        {% do problems.append("text='" ~ column.name ~ "' is of type " ~ column.data_type
            ~ '; engines print such values differently, so cast it yourself: cast(' ~ column.name ~ ' as varchar) as ' ~ column.name) %}
    {% endfor %}
    {% if problems %}
        {{ samespace._raise('embedding', title ~ ':\n  - ' ~ (problems | join('\n  - '))) }}
    {% endif %}
{% endmacro %}


{#-
    Rows and NULLs of the stage, in one pass that also proves the key; stops where an empty select would wipe a table
    that has rows.
-#}
{% macro _stage_counts(title, options, existing) %}
    {% set column = samespace._quote(options.key) %}
    {% set row = run_query('select cast(coalesce(sum(_rows), 0) as bigint), cast(coalesce(sum(_hashed), 0) as bigint), count(_key) from '
        ~ '(select ' ~ column ~ ' as _key, count(*) as _rows, count(content_hash) as _hashed from __samespace_stage as _new '
        ~ 'group by _new.' ~ column ~ ') as _keys').rows[0] %}
    {% if row[0] | int != row[2] | int %}{% do samespace._refuse_keys(title, options.key) %}{% endif %}
    {% if row[0] | int == 0 and existing is not none and not options.allow_empty and not flags.EMPTY %}
        {% set held = run_query('select count(*) from (select 1 from ' ~ existing ~ ' limit 1) as __samespace_any').rows[0][0] | int %}
        {% if held %}
            {{ samespace._raise('embedding', 'the select of ' ~ title ~ ' returns no rows, and the table has some. It is left as it '
                ~ 'was. Set allow_empty: true on the model if it should become empty.') }}
        {% endif %}
    {% endif %}
    {{ return({'rows': row[0] | int, 'nulls': row[0] | int - row[1] | int}) }}
{% endmacro %}


{#- Stop with up to five of the keys that are repeated or NULL. -#}
{% macro _refuse_keys(title, key) %}
    {% set column = samespace._quote(key) %}
    {% set shown = [] %}
    {% for row in run_query('select cast(' ~ column ~ ' as varchar), count(*) from __samespace_stage group by ' ~ column
        ~ ' having count(*) > 1 or ' ~ column ~ ' is null order by 2 desc, 1 limit 5').rows %}
        {% do shown.append((row[0] if row[0] is not none else 'NULL') ~ ' (' ~ row[1] ~ (' row' if row[1] | int == 1 else ' rows') ~ ')') %}
    {% endfor %}
    {{ samespace._raise('embedding', "the key '" ~ key ~ "' of " ~ title ~ ' must be unique and not NULL; found '
        ~ (shown | join(', ')) ~ '. The table is as it was. Deduplicate in the select, or name another key.') }}
{% endmacro %}
