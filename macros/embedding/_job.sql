{#- The Python that dbt runs on the model's own connection: phase B, the pump. -#}
{% macro _fill_job(title, options, reusable) %}
    {% set sent = [] %}
    {% for spec in options.specs %}{% do sent.append(samespace._as_sent(spec)) %}{% endfor %}
    {% set request = tojson({
        'specs': sent, 'role': options.role, 'stage': '__samespace_stage', 'key': options.key, 'text': options.text,
        'title': title, 'target': reusable ~ '' if reusable is not none else none, 'cache': options.cache,
        'page_rows': options.page_rows, 'catalog': target.database, 'schema': var('samespace_schema', 'samespace'),
    }) %}
    {{ return(adapter.dispatch('fill_job_code', 'samespace')(request)) }}
{% endmacro %}


{#- What phase B left behind: {model_id: {cache, distinct_texts, embedded, ...}}. Raises its sentence if it failed. -#}
{% macro _fill_outcome(title) %}
    {% set outcome = {} %}
    {% for row in run_query('select * from __samespace_outcome').rows %}
        {% if row['message'] is not none %}
            {{ exceptions.raise_compiler_error(row['message']) }}
        {% endif %}
        {% do outcome.update({row['model_id']: row.dict()}) %}
    {% endfor %}
    {{ return(outcome) }}
{% endmacro %}
