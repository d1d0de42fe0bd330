{#-
    SQL expression: the cosine similarity of two structs of model_id and embedding (what embed() returns). The query stops
    with a sentence where the two are of different spaces, whatever their vectors are.
-#}
{% macro similarity(left, right) %}
    {% do samespace._check_args('similarity', [
        {'name': 'left', 'value': left, 'rule': 'text'}, {'name': 'right', 'value': right, 'rule': 'text'}]) %}
    {% set held = [] %}
    {% for side in ['pair.l', 'pair.r'] %}
        {% do held.append('(' ~ side ~ '.model_id is null and ' ~ side ~ '.embedding is not null)') %}
    {% endfor %}
    {{ return(samespace.struct_similarity(left, right, 'not ' ~ samespace.same_space('pair.l.model_id', 'pair.r.model_id')
        ~ ' or ' ~ (held | join(' or ')))) }}
{% endmacro %}
