{#- SQL: a list-of-text column as one text with commas (model_ids hold none), and a Python list as such a column value. -#}
{% macro text_list(column) %}
    {{ return("array_to_string(" ~ column ~ ", ',')") }}
{% endmacro %}


{% macro text_list_literal(values) %}
    {{ return(adapter.dispatch('text_list_literal', 'samespace')(values)) }}
{% endmacro %}

{% macro default__text_list_literal(values) %}
    {% set literals = [] %}
    {% for value in values %}{% do literals.append(samespace.string_literal(value)) %}{% endfor %}
    {{ return('array[' ~ (literals | join(', ')) ~ ']') }}
{% endmacro %}
