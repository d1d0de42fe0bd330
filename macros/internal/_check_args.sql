{#-
    Check several arguments at once and raise once. `checks` is a list of
    {name, value, rule, allowed} with rule one of: positive_integer, similarity, one_of, text, optional_text.
-#}
{% macro _check_args(macro, checks) %}
    {% set problems = [] %}
    {% for check in checks %}
        {% set problem = samespace._argument_problem(check) %}
        {% if problem %}{% do problems.append(problem) %}{% endif %}
    {% endfor %}
    {% if problems %}
        {{ samespace._raise(macro, problems | join('; ')) }}
    {% endif %}
{% endmacro %}


{% macro _argument_problem(check) %}
    {% set value, rule = check.value, check.rule %}
    {% set expected = none %}
    {% if rule == 'positive_integer' and (value is boolean or value is not integer or value < 1) %}
        {% set expected = 'a whole number of at least 1' %}
    {% elif rule == 'similarity' and (value is boolean or value is not number or value < -1 or value > 1) %}
        {% set expected = 'a similarity from -1 to 1' %}
    {% elif rule == 'one_of' and value not in check.allowed %}
        {% set expected = 'one of ' ~ (check.allowed | join(', ')) %}
    {% elif rule == 'text' and (value is not string or not value) %}
        {% set expected = 'a non-empty text' %}
    {% elif rule == 'optional_text' and value is not none and (value is not string or not value) %}
        {% set expected = 'a non-empty text, or nothing' %}
    {% endif %}
    {% if expected %}
        {{ return(check.name ~ ' is ' ~ (value | string if value is not string else "'" ~ value ~ "'") ~ '; expected ' ~ expected) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
