{#-
    SQL for FROM: what a kernel returns, as rows. `request` is a mapping that becomes JSON; its `select` is the SQL by
    which the kernel reads its rows (see samespace._kernel_rows). Ask samespace._use_kernel first whether one can run.
-#}
{% macro run_kernel(kernel, request) %}
    {{ return(adapter.dispatch('run_kernel', 'samespace')(kernel, request)) }}
{% endmacro %}

{% macro default__run_kernel(kernel, request) %}
    {{ samespace._raise(request.macro, "the adapter '" ~ target.type ~ "' runs no kernels here; use duckdb") }}
{% endmacro %}

{#-
    One call whose result is a list of structs: a scalar function sees 2,048 rows at a time, a table function cannot be
    written in Python. A subquery, because a function with side effects is neither merged into what reads it nor called
    twice; `list_transform` would copy the list. `where false` leaves the columns with their types and calls nothing.
    https://duckdb.org/docs/stable/sql/query_syntax/unnest
-#}
{% macro duckdb__run_kernel(kernel, request) %}
    {% set changed = samespace.string_literal('samespace.' ~ request.macro ~ ": the rows of '" ~ request.title ~ "' differ from one reading "
        ~ 'to the next: changed by a pre-hook that is not committed (transaction=false commits it) or by another process, or '
        ~ 'selected at random. Read a table that stays as it is while this model builds.') %}
    {{ return('(select unnest(answer.found, recursive := true) from (select samespace_' ~ kernel ~ '('
        ~ samespace.string_literal(tojson(request)) ~ ') as answer, ' ~ request.state ~ ' as state) as answered where '
        ~ ('false' if flags.EMPTY else samespace.error_if('answer.error is not null or answer.state is distinct from state',
            'coalesce(answer.error, ' ~ changed ~ ')')) ~ ')') }}
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
    {% if not samespace.function_exists('samespace_' ~ kernel) %}
        {{ return('it needs the function samespace_' ~ kernel ~ ', which is not registered on this connection.'
            ~ ' Add these lines to the output in profiles.yml:\nplugins:\n  - module: samespace.duckdb_plugin') }}
    {% endif %}
    {{ return(samespace._partial_run(kernel)) }}
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
    {% set order = info.key_sql ~ ', ' ~ info.model_id_sql %}
    {% set priority = ',\n        row_number() over (order by ' ~ order_by ~ ', ' ~ order ~ ') as priority' if order_by else '' %}
    {{ return('
    select
        ' ~ info.key_sql ~ ' as key,
        ' ~ info.model_id_sql ~ ' as model_id,
        rank() over (order by ' ~ order ~ ') as ordinal,
        rank() over (order by ' ~ info.key_sql ~ ') as entity' ~ priority ~ '
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
        on __samespace_before.key = __samespace_keys.key and __samespace_before.model_id = __samespace_keys.model_id' %}
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
        on __samespace_rows.' ~ info.key_sql ~ ' = __samespace_keys.key
        and __samespace_rows.' ~ info.model_id_sql ~ ' = __samespace_keys.model_id' ~ (lookup if previous else '')) }}
{% endmacro %}
