{#-
    SQL for FROM: what a kernel returns, as rows. `request` is a mapping that becomes JSON; its `select` is the SQL by
    which the kernel reads its rows (see samespace._kernel_rows). Ask samespace._use_kernel first whether one can run.
-#}
{% macro run_kernel(kernel, request) %}
    {% set settings = samespace._kernel_settings(request.macro) %}
    {{ return(adapter.dispatch('run_kernel', 'samespace')(kernel, dict(request, settings=settings))) }}
{% endmacro %}

{#- Also plain dbt-postgres. What only shows SQL gets some: one model that cannot run must not stop dbt docs. -#}
{% macro default__run_kernel(kernel, request) %}
    {% if samespace._kernel_runs() %}
        {{ samespace._raise(request.macro, samespace.kernel_missing(kernel)) }}
    {% endif %}
    {{ return(samespace._kernel_nothing(kernel)) }}
{% endmacro %}

{#-
    One call whose result is a list of structs: a scalar function sees 2,048 rows at a time, a table function cannot be
    written in Python. A subquery, because a function with side effects is neither merged into what reads it nor called
    twice; `list_transform` would copy the list. `where false` leaves the columns with their types and calls nothing.
    https://duckdb.org/docs/stable/sql/query_syntax/unnest
-#}
{% macro duckdb__run_kernel(kernel, request) %}
    {{ return('(select unnest(answer.found, recursive := true) from (select samespace_' ~ kernel ~ '('
        ~ samespace.string_literal(tojson(request)) ~ ') as answer, ' ~ request.state ~ ' as state) as answered where '
        ~ ('false' if flags.EMPTY else samespace.error_if('answer.error is not null or answer.state is distinct from state',
            'coalesce(answer.error, ' ~ samespace._rows_changed(request, 'that is not committed (transaction=false commits it)') ~ ')')) ~ ')') }}
{% endmacro %}

{#-
    The server runs no Python: the kernel runs now, on dbt's own connection, and leaves a temp table. The condition is a
    subquery, so that it is evaluated once, and where the table has no row too.
    https://www.postgresql.org/docs/current/sql-explain.html (One-Time Filter)
-#}
{% macro pgvector__run_kernel(kernel, request) %}
    {% if not samespace._kernel_runs() %}
        {{ return(samespace._kernel_nothing(kernel)) }}
    {% endif %}
    {% set owner = invocation_id ~ ' ' ~ model.unique_id ~ ' ' ~ (model.get('batch') or {}).get('id', '') %}
    {% set answer = adapter.samespace_job('kernel', tojson(dict(request, kernel=kernel, owner=owner))) %}
    {% if answer.error %}
        {{ samespace._raise(request.macro, answer.error.replace('samespace.' ~ request.macro ~ ': ', '', 1)) }}
    {% endif %}
    {% set changed = request.state ~ ' is distinct from ' ~ samespace.string_literal(answer.state) %}
    {% set stop = samespace.error_if(changed, samespace._rows_changed(request, '(a kernel reads before hooks run: change them in a model)')) %}
    {{ return('(select * from ' ~ answer.table ~ ' where (select ' ~ stop ~ '))') }}
{% endmacro %}


{#- SQL of the sentence for rows that are not those that the kernel read; `hook` says when a pre-hook may have changed them. -#}
{% macro _rows_changed(request, hook) %}
    {{ return(samespace.string_literal('samespace.' ~ request.macro ~ ": the rows of '" ~ request.title ~ "' differ from one reading "
        ~ 'to the next: changed by a pre-hook ' ~ hook ~ ' or by another process, or selected at random. Read a table that stays '
        ~ 'as it is while this model builds.')) }}
{% endmacro %}


{#- Whether dbt is building this model now: compile, docs and --empty only need the columns. -#}
{% macro _kernel_runs() %}
    {{ return(execute and flags.WHICH in ['run', 'build', 'retry'] and not flags.EMPTY) }}
{% endmacro %}


{#- SQL for FROM: the columns of a kernel's result with their types, and no row. -#}
{% macro _kernel_nothing(kernel) %}
    {% set columns = [] %}
    {% for name, type in samespace._kernel_columns(kernel).items() %}
        {% do columns.append('cast(null as ' ~ type ~ ') as ' ~ name) %}
    {% endfor %}
    {{ return('(select ' ~ (columns | join(', ')) ~ ' where false /* samespace_' ~ kernel ~ '(): the rows come when dbt builds the model */)') }}
{% endmacro %}


{#- The result of each kernel, as in samespace/io/_kernel_jobs.py (a test compares them). -#}
{% macro _kernel_columns(kernel) %}
    {% set pair = {'query': 'bigint', 'neighbour': 'bigint', 'similarity': 'double precision'} %}
    {{ return({
        'knn': dict(pair, rank='integer'),
        'within_threshold': pair,
        'duplicate_pairs': {'left_row': 'bigint', 'right_row': 'bigint', 'similarity': 'double precision'},
        'duplicates': {
            'member': 'bigint', 'group_id': 'bigint', 'group_size': 'bigint', 'canonical': 'bigint',
            'similarity_to_canonical': 'double precision', 'min_similarity': 'double precision',
        },
        'clusters': {'member': 'bigint', 'cluster_id': 'bigint', 'similarity_to_centroid': 'double precision'},
    }[kernel]) }}
{% endmacro %}


{#- Whether nothing but a kernel can do this, as `clusters`: under --empty it gives its columns and no rows. -#}
{% macro _kernel_only(kernel) %}
    {{ return(kernel in ['clusters']) }}
{% endmacro %}


{#- Whether to run a kernel, given the argument `method`. `infos` are the relations it would read. -#}
{% macro _use_kernel(kernel, method, macro, infos) %}
    {{ samespace._check_args(macro, [{'name': 'method', 'value': method, 'rule': 'one_of', 'allowed': ['auto', 'sql', 'kernel']}]) }}
    {% if method == 'sql' or not execute %}
        {{ return(method == 'kernel') }}
    {% endif %}
    {% set obstacle = samespace._kernel_obstacle(kernel, infos) %}
    {# What compile and docs render is not executed: they show the kernel's SQL rather than stop. #}
    {% if obstacle and method == 'kernel' and flags.WHICH not in ['compile', 'generate', 'list', 'parse'] %}
        {{ samespace._raise(macro, obstacle) }}
    {% endif %}
    {{ return(method == 'kernel' or not obstacle) }}
{% endmacro %}


{#- Why no kernel can run here, as a sentence, or ''. -#}
{% macro _kernel_obstacle(kernel, infos) %}
    {% if flags.WHICH == 'show' %}
        {{ return('dbt show runs no kernel. Build the model, then show its table.') }}
    {% endif %}
    {% for info in infos if info.inline %}
        {{ return("a kernel reads tables, and '" ~ info.title ~ "' is none here: it is a CTE of a unit test or an ephemeral model."
            ~ " Materialize it as a table; in a unit test, test the models behind this one.") }}
    {% endfor %}
    {% set materialized = (model | default({})).get('config', {}).get('materialized') %}
    {% if materialized not in ['table', 'incremental'] %}
        {{ return('a kernel runs only while dbt builds a table or an incremental model, and this is '
            ~ ('a ' ~ materialized if materialized else 'no model') ~ ". Set materialized='table'.") }}
    {% endif %}
    {{ return(samespace.kernel_missing(kernel) or samespace._partial_run(kernel)) }}
{% endmacro %}


{#- Why no kernel runs on the part of the rows that --empty and --sample leave, as a sentence, or ''. -#}
{% macro _partial_run(kernel) %}
    {% set only = samespace._kernel_only(kernel) %}
    {% if flags.EMPTY and not only %}
        {{ return("no kernel runs under --empty. Use method='auto', which takes SQL there.") }}
    {% elif not flags.EMPTY and invocation_args_dict.get('sample') is not none %}
        {{ return('no kernel runs under --sample, where it would see a part of the rows. Leave this model out, or build it '
            ~ 'without --sample.' if only else "no kernel runs under --sample. Use method='auto', which takes SQL there.") }}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#-
    SQL that numbers all rows of a relation: key, model_id, ordinal (place by key, then model_id), entity (place by key)
    and, where `order_by` is given, priority. Kernels answer in ordinals; join the answer back with this.
-#}
{% macro _kernel_keys(info, order_by=none) %}
    {% set key = samespace.sort_key(info.key_sql, info.key_type) %}
    {% set order = key ~ ', ' ~ samespace.exact_text(info.model_id_sql) %}
    {% set priority = ',\n        row_number() over (order by ' ~ order_by ~ ', ' ~ order ~ ') as priority' if order_by else '' %}
    {{ return('
    select
        ' ~ info.key_sql ~ ' as key,
        ' ~ info.model_id_sql ~ ' as model_id,
        rank() over (order by ' ~ order ~ ') as ordinal,
        rank() over (order by ' ~ key ~ ') as entity' ~ priority ~ '
    from ' ~ info.sql) }}
{% endmacro %}


{#-
    SQL by which a kernel reads rows: ordinal, entity, space, embedding, priority (the order of `order_by`, else of the
    key) and previous (`cluster_id` of the same row in the relation `previous`, else NULL). Vectors pass through the join
    once, unsorted; numbering is done on the keys alone.
-#}
{% macro _kernel_rows(info, where=none, order_by=none, previous=none) %}
    {% set lookup = '
    left join ' ~ previous ~ ' as __samespace_before
        on ' ~ samespace._same_row(info, '__samespace_before.key', '__samespace_before.model_id') %}
    {{ return('
    select
        __samespace_keys.ordinal,
        __samespace_keys.entity,
        ' ~ samespace.space_of('__samespace_keys.model_id') ~ ' as space,
        __samespace_rows.' ~ info.embedding_sql ~ ' as embedding,
        __samespace_keys.' ~ ('priority' if order_by else 'ordinal') ~ ' as priority,
        ' ~ ('__samespace_before.cluster_id' if previous else 'cast(null as bigint)') ~ ' as previous
    from (select * from ' ~ info.sql ~ (' where (' ~ where ~ '\n)' if where else '') ~ ') as __samespace_rows
    inner join (' ~ samespace._kernel_keys(info, order_by) ~ ') as __samespace_keys
        on ' ~ samespace._same_row(info, '__samespace_rows.' ~ info.key_sql, '__samespace_rows.' ~ info.model_id_sql)
        ~ (lookup if previous else '')) }}
{% endmacro %}


{#- SQL: whether a key and a model_id are those of __samespace_keys, by their bytes; sort_key of an unknown type is no value. -#}
{% macro _same_row(info, key, model_id) %}
    {% set keys = [key, '__samespace_keys.key'] %}
    {% if info.key_type is not none %}
        {% set keys = [samespace.sort_key(keys[0], info.key_type), samespace.sort_key(keys[1], info.key_type)] %}
    {% endif %}
    {{ return((keys | join(' = ')) ~ '\n        and ' ~ samespace.exact_text(model_id) ~ ' = ' ~ samespace.exact_text('__samespace_keys.model_id')) }}
{% endmacro %}
