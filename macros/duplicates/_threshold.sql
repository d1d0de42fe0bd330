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
    {{ return('(case ' ~ samespace.space_of(model_id) ~ ' ' ~ (branches | join(' ')) ~ ' end)') }}
{% endmacro %}


{#- Stop where a mapping of thresholds leaves out a model that the relation is known to hold. -#}
{% macro _check_thresholds(threshold, macro, info) %}
    {% set spaces = samespace._thresholds(threshold, macro) %}
    {% for id in info.model_ids if spaces is mapping and samespace._space_of_id(id) not in spaces %}
        {{ samespace._raise(macro, "threshold names " ~ (threshold.keys() | join(', ')) ~ ", but '" ~ info.title ~ "' also holds "
            ~ id ~ '. Add its model to the mapping, or pass one number.') }}
    {% endfor %}
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
