{#-
    Stop, as soon as the ids are known, when two sides share no space. `left` and `right` are lists of model_ids;
    an empty list is unknown and passes (the guard in the SQL then decides).
-#}
{% macro assert_one_space(macro, left_title, left, right_title, right) %}
    {% if execute and left and right %}
        {% set spaces = [] %}
        {% for id in left %}{% do spaces.append(samespace._space_of_id(id)) %}{% endfor %}
        {% set shared = [] %}
        {% for id in right if samespace._space_of_id(id) in spaces %}{% do shared.append(id) %}{% endfor %}
        {% if not shared %}
            {{ samespace._raise(macro, samespace._different_spaces(left_title, left, right_title, right)) }}
        {% endif %}
    {% endif %}
{% endmacro %}
