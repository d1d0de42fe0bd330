{#-
    A threshold as kernels take it: a number, or {id of a space: number} for a mapping {model: number}. Raises for
    what is no similarity, and for two numbers in one space.
-#}
{% macro _thresholds(threshold, macro) %}
    {% if threshold is not mapping %}
        {{ samespace._check_args(macro, [{'name': 'threshold', 'value': threshold, 'rule': 'similarity'}]) }}
        {{ return(threshold) }}
    {% endif %}
    {% set spaces, checks = {}, [] %}
    {% for model, value in threshold.items() %}
        {% do checks.append({'name': 'threshold of ' ~ model, 'value': value, 'rule': 'similarity'}) %}
        {% set space = samespace._spec(model, macro).space %}
        {% if spaces.get(space, value) != value %}
            {{ samespace._raise(macro, 'threshold gives ' ~ spaces[space] ~ ' and ' ~ value ~ ' to models of one space (' ~ space ~ ')') }}
        {% endif %}
        {% do spaces.update({space: value}) %}
    {% endfor %}
    {{ samespace._check_args(macro, checks) }}
    {{ return(spaces) }}
{% endmacro %}


{#- The threshold as SQL: a number, or a case over the space of `model_id` that stops for a space without one. -#}
{% macro _threshold_sql(threshold, macro, model_id) %}
    {% set spaces = samespace._thresholds(threshold, macro) %}
    {% if spaces is not mapping %}
        {{ return('cast(' ~ spaces ~ ' as double precision)') }}
    {% endif %}
    {% set branches = [] %}
    {% for space, value in spaces.items() %}
        {% do branches.append('when ' ~ samespace.string_literal(space) ~ ' then cast(' ~ value ~ ' as double precision)') %}
    {% endfor %}
    {% set unnamed = samespace.string_literal('samespace.' ~ macro ~ ': threshold names ' ~ (threshold.keys() | join(', '))
        ~ ', but the relation also holds ') ~ ' || ' ~ model_id %}
    {{ return('(case ' ~ samespace.space_of(model_id) ~ ' ' ~ (branches | join(' ')) ~ ' else case when '
        ~ samespace.error_if('true', unnamed) ~ ' then cast(null as double precision) end end)') }}
{% endmacro %}


{#- Stop where a mapping of thresholds leaves out a model that the relation is known to hold. -#}
{% macro _check_thresholds(threshold, macro, info) %}
    {% set spaces = samespace._thresholds(threshold, macro) %}
    {% for id in info.model_ids if spaces is mapping and samespace._space_of_id(id) not in spaces %}
        {{ samespace._raise(macro, "threshold names " ~ (threshold.keys() | join(', ')) ~ ", but '" ~ info.title ~ "' also holds "
            ~ id ~ '. Add its model to the mapping, or pass one number.') }}
    {% endfor %}
    {% if spaces is not mapping %}
        {{ samespace._say_other_scale(threshold, macro, info) }}
    {% endif %}
{% endmacro %}


{#-
    Log that a relation held another model before: its threshold may have been chosen for that one. A mapping, which
    says of what model the number is, ends it.
-#}
{% macro _say_other_scale(threshold, macro, info) %}
    {% set building = execute and flags.WHICH in ['run', 'build', 'retry'] and not flags.EMPTY and invocation_args_dict.get('sample') is none %}
    {% set old = samespace._earlier_id(info) if building and info.model_ids and not info.inline else none %}
    {% if old is none %}
        {{ return('') }}
    {% endif %}
    {% set spaces, mapping = [], {} %}
    {% for id in info.model_ids %}
        {% do spaces.append(samespace._space_of_id(id)) %}
        {% do mapping.update({id.split('@')[0]: threshold}) %}
    {% endfor %}
    {% set message = "'" ~ info.title ~ "' held " ~ old ~ ' before and holds ' ~ (info.model_ids | join(', ')) ~ ' now; threshold '
        ~ threshold ~ ' may have been chosen for the former. Similarities of two models are not on one scale: check it, then write '
        ~ 'threshold=' ~ mapping ~ ', which ends this message.' %}
    {% if samespace._space_of_id(old) not in spaces %}
        {{ samespace._say(macro, message) }}
    {% endif %}
{% endmacro %}


{#- The last model_id that a relation (or the one that it selects from) held without any that it holds now, or none. -#}
{% macro _earlier_id(info) %}
    {% set runs = samespace._own_table('embedding_runs') %}
    {% if not samespace.table_exists(runs) %}
        {{ return(none) }}
    {% endif %}
    {% set node = samespace._embedding_node(info.relation, info.title, info.inline) %}
    {% set itself = node is none or samespace._is_node_of(node, info.relation, info.title, info.inline) %}
    {% set now = [] %}
    {% for id in info.model_ids %}{% do now.append(samespace.string_literal(id)) %}{% endfor %}
    {% set held = 'relation = ' ~ samespace.string_literal(info.relation.render() if itself else node.relation_name) ~ ' and rows > 0' %}
    {% set now_held = 'model_id in (' ~ (now | join(', ')) ~ ')' %}
    {% set rows = run_query('select model_id from ' ~ runs ~ ' where ' ~ held ~ ' and not ' ~ now_held ~ ' and invocation_id not in ('
        ~ 'select invocation_id from ' ~ runs ~ ' where ' ~ held ~ ' and ' ~ now_held ~ ') order by finished_at desc limit 1').rows %}
    {{ return(rows[0][0] if rows else none) }}
{% endmacro %}


{#- Log how many rows have no vector, where the SQL method runs (kernels count for themselves). -#}
{% macro _say_left_out(macro, info) %}
    {% if execute and flags.WHICH in ['run', 'build', 'retry'] and not info.inline and not flags.EMPTY %}
        {% set rows = run_query('select count(*) from ' ~ info.sql ~ ' where not ' ~ samespace.usable_vector(info.embedding_sql)).rows %}
        {% if rows[0][0] > 0 %}
            {{ samespace._say(macro, "'" ~ info.title ~ "': rows left out: " ~ rows[0][0] ~ ' without a usable vector') }}
        {% endif %}
    {% endif %}
{% endmacro %}
