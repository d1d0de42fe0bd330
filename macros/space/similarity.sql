{#-
    SQL expression: the cosine similarity of two structs of model_id and embedding (what embed() returns), or of two rows
    by the aliases of their relations. The query stops with a sentence where the two are of different spaces, whatever
    their vectors are.
-#}
{% macro similarity(left, right) %}
    {% do samespace._check_args('similarity', [
        {'name': 'left', 'value': left, 'rule': 'text'}, {'name': 'right', 'value': right, 'rule': 'text'}]) %}
    {{ return(samespace.struct_similarity(left, right)) }}
{% endmacro %}


{#- SQL: whether two structs must not be compared: other spaces, or a vector without a model_id. -#}
{% macro _differ(left, right) %}
    {% set conditions = ['not ' ~ samespace.same_space(left ~ '.model_id', right ~ '.model_id')] %}
    {% for side in [left, right] %}
        {% do conditions.append('(' ~ side ~ '.model_id is null and ' ~ side ~ '.embedding is not null)') %}
    {% endfor %}
    {{ return(conditions | join(' or ')) }}
{% endmacro %}


{% macro _differ_message(left, right) %}
    {{ return("'samespace.similarity: the left vector is ' || coalesce(" ~ left ~ ".model_id, 'without a model_id') "
        ~ "|| '; the right one is ' || coalesce(" ~ right ~ ".model_id, 'without a model_id') || '. They are different spaces. "
        ~ "Re-embed one side, or pick one model.'") }}
{% endmacro %}
