{#- What every row of this model carries: `<name>@<8 hex of the spec's fingerprint>`. -#}
{% macro model_id(model) %}
    {{ return(samespace._spec(model, 'model_id').model_id) }}
{% endmacro %}
