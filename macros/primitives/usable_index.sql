{#-
    What may answer a search of a relation approximately: {ids, filters, type} with the model_ids that have an index and
    whether it keeps looking where a filter leaves rows out; type is ivf (then `dimension`), or that which a query vector
    must have (then `half`: whether the indexed vectors are halves of the stored ones). None where nothing can.
-#}
{% macro usable_index(info, model_ids) %}
    {{ return(adapter.dispatch('usable_index', 'samespace')(info, model_ids)) }}
{% endmacro %}

{% macro default__usable_index(info, model_ids) %}
    {{ return(none) }}
{% endmacro %}

{#- Nothing but a table that has the column is read by cell: no view on it, and no part of it. -#}
{% macro duckdb__usable_index(info, model_ids) %}
    {% if info.embedding != 'embedding' or '__samespace_cell' not in (info.columns or {}) or samespace.row_address(info) is none
        or info.relation.database != target.database %}
        {{ return(none) }}
    {% endif %}
    {% set facts = samespace._cell_facts(info.relation) %}
    {% set ids = model_ids | select('in', facts.keys()) | list %}
    {{ return({'ids': ids, 'filters': true, 'type': 'ivf', 'dimension': facts[ids[0]].dimension} if ids else none) }}
{% endmacro %}

{#- Before 0.8 an index hands out hnsw.ef_search rows and stops. https://github.com/pgvector/pgvector#iterative-index-scans -#}
{% macro postgres__usable_index(info, model_ids) %}
    {% if info.embedding != 'embedding' or info.sql != samespace._plain_name(info.relation) %}
        {{ return(none) }}
    {% endif %}
    {% set rows = run_query('select format_type(a.atttypid, a.atttypmod), e.extversion from pg_catalog.pg_attribute as a '
        ~ "inner join pg_catalog.pg_extension as e on e.extname = 'vector' where a.attname = 'embedding' and not a.attisdropped "
        ~ 'and a.attrelid = ' ~ samespace._table_oid(info.relation)).rows %}
    {% set parts = modules.re.match('^(?:.*\\.)?(vector|halfvec)\\((\\d+)\\)$', rows[0][0]) if rows else none %}
    {% set valid = samespace._vector_indexes(info.relation) | selectattr('valid') | list if parts else [] %}
    {% set ids = [] %}
    {% for id in model_ids if samespace._starting_with(valid, samespace._index_names(id)) %}{% do ids.append(id) %}{% endfor %}
    {% if not ids %}
        {{ return(none) }}
    {% endif %}
    {% set half = parts.group(1) == 'vector' and parts.group(2) | int > 2000 %}
    {% set version = rows[0][1].split('.') %}
    {{ return({'ids': ids, 'half': half, 'type': ('halfvec' if half else parts.group(1)) ~ '(' ~ parts.group(2) ~ ')',
               'filters': (version[0] | int, version[1] | int) >= (0, 8)}) }}
{% endmacro %}


{#- SQL to order by so that the index answers: the bare distance, in the type of the index. -#}
{% macro index_distance(embedding, query, index) %}
    {{ return(adapter.dispatch('index_distance', 'samespace')(embedding, query, index)) }}
{% endmacro %}

{% macro default__index_distance(embedding, query, index) %}
    {{ samespace._raise('index_distance', "the adapter '" ~ target.type ~ "' has no vector index here; use pgvector") }}
{% endmacro %}

{#- https://github.com/pgvector/pgvector#querying -#}
{% macro postgres__index_distance(embedding, query, index) %}
    {{ return((embedding ~ '::' ~ index.type if index.half else embedding) ~ ' <=> cast(' ~ query ~ ' as ' ~ index.type ~ ')') }}
{% endmacro %}


{#- SQL that is true once it has told the index how hard to look for so many rows. Part of the statement that searches. -#}
{% macro index_effort(amount, index) %}
    {{ return(adapter.dispatch('index_effort', 'samespace')(amount, index)) }}
{% endmacro %}

{% macro default__index_effort(amount, index) %}
    {{ samespace._raise('index_effort', "the adapter '" ~ target.type ~ "' has no vector index here; use pgvector") }}
{% endmacro %}

{#- Until the end of the transaction and no longer, and by the statement itself: nothing between rendering and running can
    undo it, and nothing outlives it. A higher setting of the user stays. https://github.com/pgvector/pgvector#query-options -#}
{% macro postgres__index_effort(amount, index) %}
    {% set wanted = [40, 2 * amount] | max %}
    {% set settings = ["set_config('hnsw.ef_search', cast(greatest(cast(coalesce(nullif(current_setting('hnsw.ef_search', true), ''), '0') as integer), "
        ~ wanted ~ ') as text), true) is not null'] %}
    {% if index.filters %}{% do settings.append("set_config('hnsw.iterative_scan', 'strict_order', true) is not null") %}{% endif %}
    {{ return(settings | join(' and ')) }}
{% endmacro %}


{#- How many rows an index is asked for at most, none where there is no limit. -#}
{% macro index_limit() %}
    {{ return(adapter.dispatch('index_limit', 'samespace')()) }}
{% endmacro %}

{% macro default__index_limit() %}
    {{ return(none) }}
{% endmacro %}

{#- hnsw.ef_search, twice as many, ends at 1,000. -#}
{% macro postgres__index_limit() %}
    {{ return(500) }}
{% endmacro %}
