{#- The Python source of phase B for this engine. `request` is JSON; JSON of JSON is a Python string literal. -#}
{% macro default__fill_job_code(request) %}
    {{ samespace._raise('embedding', "the adapter '" ~ target.type ~ "' cannot build embedding relations here; use duckdb") }}
{% endmacro %}

{#- dbt-duckdb calls model(dbt, connection) and then materialize(); both are ours, so nothing else is written. -#}
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
