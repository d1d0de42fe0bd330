"""Tables as samespace builds and records them, and the statements that it renders to search them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.dbt_project import Project
from samespace.io._schema import REGISTRY, RELATIONS, TABLES

MODEL_ID = "minilm@3f9a2c1b"
# Stands for the query's number in rendered statements.
NUMBER = 424242
# A macro that builds the HNSW index of main.docs.
BUILD = """{% macro build() %}
    {% set relation = api.Relation.create(database=target.database, schema='main', identifier='docs') %}
    {% do samespace.vector_index(relation, {'index': {'type': 'hnsw', 'build': 'always'}, 'storage': none,
        'specs': [{'model_id': 'MODEL', 'dimension': 384}]}) %}
    {% do run_query('commit') %}
{% endmacro %}
""".replace("MODEL", MODEL_ID)
ASKED = f"(select embedding from main.asked where id = {NUMBER})"


def record(
    execute: Callable[[str], Any], database: str, rows: dict[str, int], duckdb: bool, schema: str = "main"
) -> None:
    """The rows by which samespace knows tables and their model: unit vectors of 384 numbers."""
    ids = f"['{MODEL_ID}']" if duckdb else f"array['{MODEL_ID}']"
    types = {"text_list": "varchar[]" if duckdb else "text[]", "float_list": "real[]"}
    execute("create schema if not exists samespace")
    for table in (REGISTRY, RELATIONS):
        execute(f"create table samespace.{table} ({TABLES[table].format(**types)})")
    numbers = "[1.0]" if duckdb else "array[1.0]"
    execute(
        f"insert into samespace.{REGISTRY} values ('{MODEL_ID}', '{MODEL_ID}', 'minilm', 'none', 'x', "
        f"'{{}}', 384, true, true, null, 1, {numbers}, 'x', '1', now(), now())"
    )
    for table, count in rows.items():
        execute(
            f"insert into samespace.{RELATIONS} values ('{database}', '{schema}', '{table}', 'id', 'label', "
            f"'embedding', {ids}, 'document', {count}, now())"
        )


def rendered(output: dict[str, Any], calls: dict[str, str], run: bool = False) -> dict[str, str]:
    """The SQL of samespace calls over source('raw', 'docs') and source('raw', 'asked').

    ``run``: as dbt runs them while it builds tables, which may use an index; row ``NUMBER`` has to exist.
    """
    project = Project(specs={}, output=output)
    project.sources("docs", "asked")
    for name, call in calls.items():
        project.model(name, "{{ samespace." + call + " }}", materialized="table")
    project.dbt("--quiet", "run" if run else "compile")
    return {name: project.compiled(name) for name in calls}


def searching(arguments: str = "") -> str:
    """A search of docs by a vector of asked."""
    return f"search(source('raw', 'docs'), query_vector='{ASKED}', query_model='{MODEL_ID}'{arguments})"
