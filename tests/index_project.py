"""A project on PostgreSQL whose tables have vector indexes, with a model per way to search them."""

from __future__ import annotations

import json

import numpy as np
from harness import HASHING, DbtProject
from vectors import FIRST, SECOND, literal, sources, store, unit_rows

DIMENSION = 64
ROWS = 3000
VECTORS = unit_rows(ROWS, dimension=DIMENSION)
SAME = np.tile(unit_rows(1, seed=5, dimension=DIMENSION), (1000, 1))
QUERY = unit_rows(1, seed=9, dimension=DIMENSION)[0]
VECTOR = f'query_vector="{literal(QUERY)}", query_model="{FIRST}"'
TABLE = "{{ config(materialized='table') }}\n"

ALWAYS = {"type": "hnsw", "build": "always"}
BUILD = """
{% macro build(table, index, models, dimension=64, storage=none) %}
    {% set specs = [] %}
    {% for id in models %}{% do specs.append({'model_id': id, 'dimension': dimension}) %}{% endfor %}
    {% set relation = api.Relation.create(database=target.database, schema='main', identifier=table) %}
    {% do samespace.vector_index(relation, {'index': index, 'storage': storage, 'specs': specs}) %}
{% endmacro %}

{% macro index_of_one(relation) %}
    {% set spec = {'model_id': samespace.model_id('hash64'), 'dimension': 64} %}
    {% set index = {'type': 'hnsw', 'build': 'always'} %}
    {% do samespace.vector_index(relation, {'index': index, 'storage': none, 'specs': [spec]}) %}
{% endmacro %}

{% macro steps(steps) %}
    {% for step in steps %}
        {% if step is string %}{% do run_query(step) %}{% else %}{% do build(**step) %}{% endif %}
        {% set rows = run_query("select indexname, indexdef from pg_indexes "
            ~ "where tablename in ('settings', 'renamed')").rows %}
        {% set held = {} %}
        {% for row in rows %}{% do held.update({row[0]: row[1]}) %}{% endfor %}
        {% do log('INDEXES ' ~ tojson(held), info=true) %}
    {% endfor %}
    {% do run_query('commit') %}
{% endmacro %}

{% macro checks(values, starved) %}
    {% for value in values %}
        {% do log('PROBLEM ' ~ tojson(samespace._index_problems(value)), info=true) %}
    {% endfor %}
    {% do log('OPTIONS ' ~ tojson(samespace._index_options({'type': 'hnsw', 'm': 48}, 'x')), info=true) %}
    {% do run_query(samespace._without_workers(starved, '64MB')) %}
    {% do run_query('commit') %}
{% endmacro %}
"""


STARVED = (
    "create function starved() returns void language plpgsql as $$ begin "
    "if current_setting('max_parallel_maintenance_workers') <> '0' then "
    "raise exception sqlstate '53100'; end if; "
    "create table built_alone (id integer); end $$"
)


def operation(project: DbtProject, macro: str, **arguments: object) -> list[str]:
    """What a macro logs, line by line."""
    outcome = project.dbt("run-operation", macro, "--args", json.dumps(arguments), "--log-level", "debug")
    assert outcome.ok, outcome.output
    return outcome.output.splitlines()


def logged(lines: list[str], word: str) -> list:
    return [json.loads(line.split(word + " ", 1)[1]) for line in lines if word + " " in line]


def searching(table: str, arguments: str) -> str:
    return TABLE + "{{ samespace.search(source('raw', '" + table + "'), " + arguments + ", key='id') }}"


def neighbours(arguments: str) -> str:
    return TABLE + "{{ samespace.knn(source('raw', 'docs'), ref('asked'), k=5, " + arguments + ") }}"


WAVES = {
    "halves": ("halfvec", 64),
    "long_vectors": ("vector", 2001),
    "long_halves": ("halfvec", 2001),
    "longer": ("halfvec", 4001),
}
MODELS = {"hash64": HASHING, "twin": {**HASHING, "version": "2", "same_space_as": "hash64"}}
LONG = f"query_vector='(select embedding from long_vectors where id = 3)', query_model='{FIRST}', k=5"
FILES = {
    "by_vector": searching("docs", VECTOR),
    "by_key": searching("docs", f"query_key=7, model='{FIRST}'"),
    "by_key_alone": searching("alone", "query_key=7"),
    "long": searching("long_vectors", LONG),
    "long_half": searching("long_halves", LONG.replace("vectors", "halves")),
    "half": searching("halves", LONG.replace("long_vectors", "halves")),
    # So many rows that the planner prefers the index whether or not autovacuum has shrunk the table.
    "notes": """{{ config(materialized='embedding', model='hash64', key='id', text='body',
        index={'type': 'hnsw', 'build': 'always'}) }}
        select i as id, 'note number ' || i as body from generate_series(1, 3000) as series(i)""",
    "by_text": TABLE + "{{ samespace.search(ref('notes'), 'note number 7', k=3) }}",
    # Two members of one space; only one of them has an index.
    "family": """{{ config(materialized='table', post_hook="{{ index_of_one(this) }}") }}
        select * from {{ ref('notes') }} union all
        select id + 10000, body, '{{ samespace.model_id("twin") }}', content_hash, embedding
        from {{ ref('notes') }} where id < 5""",
    "of_family": TABLE
    + "{{ samespace.search(ref('family'), 'note number 3', model='hash64', k=10, key='id') }}",
    "exact": searching("docs", VECTOR + ", method='exact'"),
    "rare": searching("docs", VECTOR + ", k=20, where=\"label = 'rare' -- one in a hundred\""),
    "hundred": searching("docs", VECTOR + ", k=100"),
    "thousand": searching("docs", VECTOR + ", k=1000, method='index'"),
    "of_same": searching("same", VECTOR + ", k=100"),
    "of_few": searching("few", VECTOR + ", k=100"),
    "no_such_key": searching("docs", f"query_key=999999, model='{FIRST}'"),
    "view": searching("docs", VECTOR).replace("'table'", "'view'"),
    "of_ephemeral": TABLE + "select * from {{ ref('ephemeral') }}",
    "ephemeral": searching("docs", VECTOR).replace("'table'", "'ephemeral'"),
    "in_force": TABLE
    + "select *, current_setting('hnsw.ef_search') as effort, "
    "current_setting('hnsw.iterative_scan') as scan from ("
    + searching("docs", VECTOR).removeprefix(TABLE) + ") as found",
    "afterwards": TABLE + "-- depends_on: {{ ref('in_force') }}\n"
    "select current_setting('hnsw.ef_search', true) as effort, "
    "current_setting('hnsw.iterative_scan', true) as scan",
    "asked": TABLE + "select * from {{ source('raw', 'docs') }} where id < 60",
    "near": neighbours("method='index', key='id', queries_key='id'"),
    "near_exact": neighbours("method='sql', key='id', queries_key='id'"),
    "near_rare": neighbours("method='index', key='id', queries_key='id', where=\"label = 'rare'\""),
    "near_rare_exact": neighbours("method='sql', key='id', queries_key='id', where=\"label = 'rare'\""),
    "near_self": TABLE + "{{ samespace.knn(source('raw', 'few'), k=3, method='index', key='id') }}",
    "near_self_exact": TABLE + "{{ samespace.knn(source('raw', 'few'), k=3, method='sql', key='id') }}",
}  # fmt: skip


def store_waves(project: DbtProject, table: str, kind: str, dimension: int) -> None:
    """200 vectors made by the server: long ones are slow to send."""
    project.query(f"create table {table} (id integer, model_id varchar, embedding {kind}({dimension}))")
    project.query(
        f"insert into {table} select i, '{FIRST}', (select array_agg(sin(i * j)) "
        f"from generate_series(1, {dimension}) as j)::real[]::vector::{kind} "
        "from generate_series(1, 200) as i"
    )


def prepare(project: DbtProject) -> None:
    """Tables, their indexes, and one dbt run over all models; its output is kept in `first_output`."""
    rare = ["rare" if i % 100 == 0 else "often" for i in range(ROWS)]
    both = {"dimension": DIMENSION, "labels": [*rare, *rare]}
    store(
        project, "docs", [*range(ROWS)] * 2, [*VECTORS, *-VECTORS], [FIRST] * ROWS + [SECOND] * ROWS, **both
    )
    store(project, "same", range(1000), SAME, [FIRST] * 1000, dimension=DIMENSION)
    holes = [None, np.zeros(DIMENSION), *VECTORS[:40]]
    store(project, "few", range(42), holes, [FIRST] * 42, dimension=DIMENSION)
    store(project, "settings", range(5), VECTORS[:5], [FIRST] * 5, dimension=DIMENSION)
    project.query(f"create table alone as select * from docs where model_id = '{FIRST}'")
    tables = {name: {"models": [FIRST]} for name in ("alone", "same", "few")}
    tables["docs"] = {"models": [FIRST, SECOND]}
    for name, (kind, dimension) in WAVES.items():
        store_waves(project, name, kind, dimension)
        tables[name] = {
            "models": [FIRST],
            "dimension": dimension,
            "storage": "halfvec" if kind == "halfvec" else None,
        }
    project.write("models/sources.yml", sources(*tables))
    project.write("macros/build.sql", BUILD)
    for name, text in FILES.items():
        project.write(f"models/{name}.sql", text)
    operation(
        project, "steps", steps=[{"table": name, "index": ALWAYS, **table} for name, table in tables.items()]
    )
    for name in tables:
        project.query(f"analyze {name}")
    outcome = project.dbt("run")
    assert [r["unique_id"] for r in outcome.results if r["status"] != "success"] == [
        "model.scratch.no_such_key"
    ], outcome.output
    project.first_output = outcome.output
