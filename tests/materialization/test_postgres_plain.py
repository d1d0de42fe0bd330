"""`type: postgres` keeps the macros that are SQL only; whatever needs Python says which adapter has it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from databases import create_database
from harness import HASHING, DbtProject, Outcome
from vectors import FIRST, sources, store, unit_rows

CALLS = {
    "near": "knn(source('raw', 'rows'), k=3, key='id', method='sql')",
    "pairs": "duplicate_pairs(source('raw', 'rows'), threshold=0.9, key='id', method='sql')",
    "left_out": f"excluded_rows(source('raw', 'rows'), '{FIRST}')",
}
TABLE = "{{ config(materialized='table') }} "
MODELS = {
    **{name: TABLE + "{{ samespace." + call + " }}" for name, call in CALLS.items()},
    "embedded": "{{ config(materialized='embedding', model='tiny', key='id', text='body') }} "
    "select 1 as id, 'x' as body",
    "own": TABLE + "select id, embedding, '{{ samespace.model_id(\"tiny\") }}'::varchar as model_id "
    "from {{ source('raw', 'rows') }}",
    "asked": TABLE + "{{ samespace.search(ref('own'), 'x', key='id', embedding='embedding', model='tiny') }}",
    "grouped": TABLE + "{{ samespace.clusters(source('raw', 'rows'), k=2, key='id') }}",
}
VECTORS = unit_rows(40)


@pytest.fixture(scope="module")
def ran(make_project: Callable[..., DbtProject]) -> tuple[DbtProject, Outcome]:
    output = {**create_database("plain"), "type": "postgres", "threads": 2}
    project = make_project("plain", target=output, models={"tiny": {**HASHING, "dimension": 16}})
    project.query("create extension vector")
    store(project, "rows", list(range(40)), VECTORS, [FIRST] * 40)
    project.write("models/sources.yml", sources("rows"))
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", sql)
    return project, project.dbt("run")


@pytest.mark.parametrize("name", CALLS)
def test_sql_macros_work(ran: tuple[DbtProject, Outcome], name: str) -> None:
    project, outcome = ran
    status = next(r["status"] for r in outcome.results if r["unique_id"].endswith(f".{name}"))
    assert status == "success", outcome.message(name)
    if name == "near":
        similarity = VECTORS.astype(np.float64) @ VECTORS.T.astype(np.float64)
        np.fill_diagonal(similarity, -2)
        found = dict(project.query("select query_key, neighbour_key from near where rank = 1"))
        assert found == {key: int(row.argmax()) for key, row in enumerate(similarity)}


@pytest.mark.parametrize("name", ["embedded", "asked", "grouped"])
def test_what_needs_python_names_the_adapter(ran: tuple[DbtProject, Outcome], name: str) -> None:
    _, outcome = ran
    message = " ".join(outcome.message(name).split())
    assert "samespace." in message and "pgvector" in message, message
    assert "Traceback" not in outcome.output
