{#- What `statement(language='python')` runs as phase B on this engine. `request` is JSON. -#}
{% macro default__fill_job_code(request) %}
    {{ samespace._raise('embedding', "the adapter '" ~ target.type ~ "' cannot build embedding relations here; use "
        ~ ('type: pgvector in profiles.yml, with the same fields' if target.type == 'postgres' else 'duckdb or pgvector')) }}
{% endmacro %}

{#- dbt-duckdb calls model(dbt, connection) and then materialize(); both are ours, so nothing else is written.
    JSON of JSON is a Python string literal. -#}
{% macro duckdb__fill_job_code(request) %}
    {% set lines = [
        'def dbtObj(load):',
        '    return None',
        '',
        'def model(dbt, connection):',
        '    from samespace.io.duckdb_job import run',
        '    run(connection, ' ~ tojson(request) ~ ')',
        '',
        'def materialize(result, connection):',
        '    pass',
    ] %}
    {{ return(lines | join('\n')) }}
{% endmacro %}

{#- The adapter is ours: it takes the name of a job and its request. -#}
{% macro pgvector__fill_job_code(request) %}
    {{ return(tojson({'job': 'fill', 'request': request})) }}
{% endmacro %}
