{#- SQL: the id of the space that a model_id belongs to. Its own, unless the project declares same_space_as. -#}
{% macro space_of(model_id) %}
    {% set members, model_id = samespace._space_members(), samespace.exact_text(model_id) %}
    {% if not members %}
        {{ return(model_id) }}
    {% endif %}
    {% set branches = [] %}
    {% for member, root in members.items() %}
        {% do branches.append('when ' ~ samespace.string_literal(member) ~ ' then ' ~ samespace.string_literal(root)) %}
    {% endfor %}
    {{ return('(case ' ~ model_id ~ ' ' ~ (branches | join(' ')) ~ ' else ' ~ model_id ~ ' end)') }}
{% endmacro %}


{#- SQL: THE join predicate. True only where both model_ids are known and belong to one space. -#}
{% macro same_space(left_model_id, right_model_id) %}
    {{ return('(' ~ samespace.space_of(left_model_id) ~ ' = ' ~ samespace.space_of(right_model_id) ~ ')') }}
{% endmacro %}


{#- {model_id: id of its space's root} for the ids whose space is not their own. -#}
{% macro _space_members() %}
    {% set members = {} %}
    {% for spec in samespace._specs().values() if spec.space != spec.model_id %}
        {% do members.update({spec.model_id: spec.space}) %}
    {% endfor %}
    {{ return(members) }}
{% endmacro %}


{#- Whether two model_ids may meet anywhere in this project: outputs then carry both. -#}
{% macro _declares_spaces() %}
    {{ return((samespace._space_members() | length) > 0) }}
{% endmacro %}


{#- The space of one known model_id, as a text. -#}
{% macro _space_of_id(model_id) %}
    {{ return(samespace._space_members().get(model_id, model_id)) }}
{% endmacro %}


{#- The sentence that every refusal of a comparison says. -#}
{% macro _different_spaces(left_title, left_ids, right_title, right_ids) %}
    {{ return("'" ~ left_title ~ "' holds " ~ (left_ids | join(', ')) ~ '; ' ~ right_title ~ ' is '
        ~ (right_ids | join(', ')) ~ '. They are different spaces. Re-embed one side, or pick one model.') }}
{% endmacro %}
