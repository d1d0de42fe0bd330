{#-
    How a macro knows a relation: explicit arguments, else the config of the embedding model behind it in the dbt
    graph, else the table embedding_relations, else an error naming the arguments to pass. At parse time it asks nothing.
-#}
{% macro _as_relation(relation, macro, key=none, text=none, embedding=none, model_id=none) %}
    {% set inline = relation is string or (relation.is_cte | default(false)) %}
    {% set identifier = relation if relation is string else relation.identifier %}
    {% set title = (identifier | string) | replace('__dbt__cte__', '') %}
    {% set known = samespace._known_facts(relation, title, inline) if execute else {} %}
    {% set info = {
        'sql': relation ~ '', 'relation': relation, 'title': title, 'inline': inline, 'known': known != {},
        'key': key or known.get('key'), 'text': text or known.get('text'),
        'embedding': embedding or known.get('embedding') or 'embedding',
        'model_id': model_id or 'model_id',
        'model_ids': known.get('model_ids', []), 'role': known.get('role', 'document'), 'dimension': none,
    } %}
    {% if info.key is none %}
        {{ samespace._raise(macro, "'" ~ title ~ "' is not an embedding relation that this project or the table "
            ~ samespace._own_table('embedding_relations') ~ ' knows. Pass key=<its unique column>'
            ~ " (and embedding=, if that column is not called 'embedding'); the relation must also have a column model_id.") }}
        {% do info.update({'key': 'key'}) %}
    {% endif %}
    {% for name in ['key', 'text', 'embedding', 'model_id'] %}
        {% do info.update({name ~ '_sql': samespace._quote(info[name]) if info[name] else none}) %}
    {% endfor %}
    {% set columns = none if inline else samespace._columns_of(relation) %}
    {% do info.update({'dimension': samespace._known_dimension(info.model_ids), 'columns': columns,
                       'key_type': (columns or {}).get(info.key), 'vector_type': (columns or {}).get(info.embedding), 'recorded_rows': known.get('rows')}) %}
    {% do info.update({'built': samespace._is_built(info, known)}) %}
    {{ return(info) }}
{% endmacro %}


{#-
    Whether it is a table that samespace built, under its own name and columns: no view on it, and no part of it, which is
    what --empty and --sample make of it.
-#}
{% macro _is_built(info, known) %}
    {% if info.inline or not known.get('recorded') or not info.columns or info.sql != samespace._plain_name(info.relation) %}
        {{ return(false) }}
    {% endif %}
    {% set there = adapter.get_relation(info.relation.database, info.relation.schema, info.relation.identifier) %}
    {{ return(there is not none and there.type == 'table' and info.key == known.key and info.embedding == known.embedding
              and info.model_id == 'model_id') }}
{% endmacro %}


{#- {key, text, embedding, model_ids, role} of an embedding relation, and {recorded, rows} where embedding_relations names it;
    {} where nothing is known about it. -#}
{% macro _known_facts(relation, title, inline) %}
    {% set node = samespace._embedding_node(relation, title, inline) %}
    {% set recorded = samespace._recorded_facts(relation, title, inline) %}
    {% if node is none %}
        {{ return(recorded) }}
    {% endif %}
    {% set config = samespace._embedding_config(node.config) %}
    {% set names = [config.model] if config.model is string else (config.model or []) %}
    {% set model_ids = [] %}
    {% for name in names %}{% do model_ids.append(samespace.model_id(name)) %}{% endfor %}
    {{ return({
        'key': config.key, 'text': config.text, 'embedding': 'embedding', 'role': config.role or 'document',
        'model_ids': recorded.model_ids or model_ids, 'rows': recorded.rows,
        'recorded': recorded.recorded and samespace._is_node_of(node, relation, title, inline),
    }) }}
{% endmacro %}


{#- The embedding model in the graph behind a relation: itself, or the only one that it selects from. -#}
{% macro _embedding_node(relation, title, inline) %}
    {% for node in (graph.nodes | default({})).values() if samespace._is_node_of(node, relation, title, inline) %}
        {% if node.config.materialized == 'embedding' %}
            {{ return(node) }}
        {% endif %}
        {% set behind = samespace._embedding_nodes_behind(node, []) %}
        {{ return(behind[0] if behind | length == 1 else none) }}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}


{% macro _is_node_of(node, relation, title, inline) %}
    {% if node.resource_type not in ['model', 'snapshot'] %}
        {{ return(false) }}
    {% elif inline %}
        {{ return(title in [node.name, node.alias]) }}
    {% endif %}
    {% set places = [node, node.get('defer_relation') or {}] %}
    {% for place in places if place.get('alias') == relation.identifier and place.get('schema') == relation.schema
        and (place.get('database') == relation.database or relation.database is none) %}
        {{ return(true) }}
    {% endfor %}
    {{ return(false) }}
{% endmacro %}


{#- The embedding models that a view, snapshot or table selects from, through other nodes too. -#}
{% macro _embedding_nodes_behind(node, found) %}
    {% for id in node.depends_on.nodes if id in graph.nodes %}
        {% set parent = graph.nodes[id] %}
        {% if parent.config.materialized == 'embedding' %}
            {% if parent not in found %}{% do found.append(parent) %}{% endif %}
        {% else %}
            {% do samespace._embedding_nodes_behind(parent, found) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- What embedding_relations says of a relation, by its full name (by its identifier alone for a CTE). -#}
{% macro _recorded_facts(relation, title, inline) %}
    {% set table = samespace._own_table('embedding_relations') %}
    {% if not samespace.table_exists(table) %}
        {{ return({}) }}
    {% endif %}
    {% set filters = ['identifier = ' ~ samespace.string_literal(title)] %}
    {% if not inline %}
        {% do filters.append('schema_name = ' ~ samespace.string_literal(relation.schema)) %}
        {% do filters.append('database_name = ' ~ samespace.string_literal(relation.database or target.database)) %}
    {% endif %}
    {% set rows = run_query('select key_column, text_column, embedding_column, '
        ~ samespace.text_list('model_ids') ~ ', role, rows from ' ~ table ~ ' where ' ~ (filters | join(' and '))).rows %}
    {% if not rows or rows | map('first') | unique | list | length > 1 %}
        {{ return({}) }}
    {% endif %}
    {#- A CTE says no schema: relations of that name may hold other models elsewhere, so none are claimed. -#}
    {% set model_ids = (rows[0][3] or '').split(',') | select | list if rows | length == 1 else [] %}
    {{ return({'key': rows[0][0], 'text': rows[0][1], 'embedding': rows[0][2], 'model_ids': model_ids, 'role': rows[0][4],
              'recorded': not inline, 'rows': rows[0][5]}) }}
{% endmacro %}


{#- {name: data type in lower case} of the columns of a relation that is there, else none. One question to the database. -#}
{% macro _columns_of(relation) %}
    {% set there = execute and relation is not string and adapter.get_relation(relation.database, relation.schema, relation.identifier) %}
    {% if not there %}
        {{ return(none) }}
    {% endif %}
    {% set columns = {} %}
    {% for column in adapter.get_columns_in_relation(there) %}
        {#- Plain dbt-postgres says no more of types that it does not know. -#}
        {% do columns.update({column.name: none if column.dtype | lower == 'user-defined' else column.dtype | lower}) %}
    {% endfor %}
    {{ return(columns or none) }}
{% endmacro %}


{% macro _known_dimension(model_ids) %}
    {% set specs = samespace._specs() %}
    {% for spec in specs.values() if spec.model_id in model_ids %}
        {{ return(spec.dimension) }}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}
