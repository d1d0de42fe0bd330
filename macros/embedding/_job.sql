{#- The Python that dbt runs on the model's own connection: phase B, the pump. -#}
{% macro _fill_job(title, options, reusable) %}
    {% set sent = [] %}
    {% for spec in options.specs %}{% do sent.append(samespace._as_sent(spec)) %}{% endfor %}
    {% set request = tojson({
        'specs': sent, 'role': options.role, 'stage': '__samespace_stage', 'key': options.key, 'text': options.text,
        'title': title, 'target': reusable ~ '' if reusable is not none else none, 'cache': options.cache,
        'page_rows': options.page_rows, 'catalog': target.database, 'schema': var('samespace_schema', 'samespace'),
        'grants': samespace._grants(),
    }) %}
    {{ return(adapter.dispatch('fill_job_code', 'samespace')(request)) }}
{% endmacro %}


{#-
    What phase B left behind: {model_id: {cache, distinct_texts, embedded, ...}}. Raises its sentence if it failed; none
    where the connection was lost, and with it the temp tables: everything has to be staged again. `kept` counts what was
    embedded before, by model_id.
-#}
{% macro _fill_outcome(title, attempt, kept) %}
    {% set outcome = {} %}
    {% for row in run_query('select * from __samespace_outcome').rows %}
        {% set done = row.dict() %}
        {% set before = kept.get(done.model_id, 0) %}
        {% if done.message is not none %}
            {{ exceptions.raise_compiler_error(done.message) }}
        {% elif done.again %}
            {% do kept.update({done.model_id: before + (done.embedded or 0) | int}) %}
        {% else %}
            {% do outcome.update({done.model_id: dict(done, embedded=before + done.embedded | int)}) %}
        {% endif %}
    {% endfor %}
    {% if not outcome and attempt + 1 == samespace._attempts() %}
        {{ samespace._raise('embedding', 'the connection was lost ' ~ samespace._attempts() ~ ' times while ' ~ title
            ~ ' was being embedded. The table is as it was; the vectors made so far are kept. Run again to go on from there.') }}
    {% endif %}
    {{ return(outcome or none) }}
{% endmacro %}


{#- How often a run whose connection was lost starts over (each time with fewer texts left) before it gives up. -#}
{% macro _attempts() %}
    {{ return(5) }}
{% endmacro %}
