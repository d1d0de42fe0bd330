{#-
    How an index may answer, as {index, ids, rest}: one branch per id, and whether the space has members without an index.
    None is the exact way: where samespace does not own the statement that runs, or where nothing is gained.
-#}
{% macro _index_plan(macro, info, ids, k, where, method) %}
    {% set obstacle, index = samespace._index_obstacle(macro, info, k, method), none %}
    {% if method == 'exact' or not execute %}
        {{ return(none) }}
    {% elif not obstacle %}
        {% set index = samespace.usable_index(info, ids) %}
        {% if index is none %}
            {% set obstacle = 'it has no index of samespace for ' ~ (ids | join(', ')) %}
        {% elif where and not index.filters %}
            {% set index, obstacle = none, 'an index of pgvector before 0.8 cannot look further where a filter leaves rows out' %}
        {% endif %}
    {% endif %}
    {% if index is none %}
        {% if method == 'index' %}
            {% do samespace._say(macro, "method='index' looks at every row of '" ~ info.title ~ "': " ~ obstacle ~ '.') %}
        {% endif %}
        {{ return(none) }}
    {% endif %}
    {% do samespace._say(macro, "'" ~ info.title ~ "': nearest rows by its index, which may miss one of them"
        ~ (". method='exact' looks at every row." if method == 'auto' else '.')) %}
    {{ return({'index': index, 'ids': index.ids, 'rest': ids | reject('in', index.ids) | list | length > 0}) }}
{% endmacro %}


{#- Why no index is asked whatever the relation has, as a sentence, or ''. Cells are no setting of the statement: a view may
    read them, where it asks to, and is right after the relation is built anew. -#}
{% macro _index_obstacle(macro, info, k, method) %}
    {% set materialized = (model | default({})).get('config', {}).get('materialized') %}
    {% set kinds = ['table', 'incremental'] + (['view'] if samespace.keeps_cells() and method == 'index' else []) %}
    {% set limit = samespace.index_limit() %}
    {% if macro == 'knn' and samespace.keeps_cells() %}
        {{ return('cells answer a search; a kernel compares rows with rows') }}
    {% elif flags.WHICH != 'show' and (flags.WHICH not in ['run', 'build', 'retry'] or materialized not in kinds) %}
        {{ return('an index answers only while dbt builds a table or an incremental model, or shows') }}
    {% elif info.inline %}
        {{ return('it is a CTE of a unit test or an ephemeral model') }}
    {% elif limit and k + samespace._slack() > limit %}
        {{ return('an index is asked for at most ' ~ (limit - samespace._slack()) ~ ' rows') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#- The model_ids that a search may find: the members of the query's space; what the relation holds where only rows know it. -#}
{% macro _searched_ids(asked, held) %}
    {% set ids = [asked.id] if asked.id else held.keys() | reject('none') | list %}
    {% set spaces = [] %}
    {% for id in ids %}{% do spaces.append(samespace._space_of_id(id)) %}{% endfor %}
    {{ return((ids + samespace._specs().values() | selectattr('space', 'in', spaces) | map(attribute='model_id') | list) | unique | list) }}
{% endmacro %}
