"""What a search reads on DuckDB and how often dbt asks for it, as numbers: no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from harness import HASHING, DbtProject

ROWS, K, SLACK = 5_000, 10, 64
# Statements that dbt sends for one model with a search, transactions included.
STATEMENTS = 15


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("reads", models={"hash64": HASHING})
    head = "{{ config(materialized='embedding', model='hash64', key='id', text='body') }}\n"
    text = "select i as id, 'note ' || (i * 7919 % 5003) as body, repeat('x', 50) as label, i % 100 as part"
    made.write("models/emb.sql", f"{head}{text} from range({ROWS}) as r(i)")
    for name, where in (("near", ""), ("filtered", ", where='part % 10 = 3'")):
        call = f"samespace.search(ref('emb'), query_key=7, k={K}{where})"
        made.write(f"models/{name}.sql", f"{{{{ config(materialized='table') }}}}\n{{{{ {call} }}}}")
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    return made


def operators(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "operator_type" in node:
        yield node
    for child in node["children"]:
        yield from operators(child)


def scans(project: DbtProject, model: str, folder: Path) -> list[tuple[str, int]]:
    """The columns of every scan of ``emb``, and the rows that leave it."""
    sql = (project.root / f"target/compiled/scratch/models/{model}.sql").read_text()
    profile = folder / "profile.json"
    with duckdb.connect(str(project.database), read_only=True) as connection:
        connection.execute("pragma enable_profiling='json'")
        connection.execute(f"pragma profiling_output='{profile}'")
        connection.execute(sql).fetchall()
        connection.execute("pragma disable_profiling")
    found = []
    for node in operators(json.loads(profile.read_text())):
        about = node["extra_info"]
        if "SCAN" in node["operator_type"] and str(about.get("Table", "")).endswith("emb"):
            found.append((str(about.get("Projections", "")), int(node["operator_cardinality"])))
    return found


def test_vectors_are_read_once_and_other_columns_of_the_nearest_alone(
    project: DbtProject, tmp_path: Path
) -> None:
    read = scans(project, "near", tmp_path)
    whole = [columns for columns, rows in read if rows > K + SLACK]
    assert sum("embedding" in columns for columns in whole) == 1
    assert not any("label" in columns or "body" in columns for columns in whole)
    labelled = [rows for columns, rows in read if "label" in columns]
    assert sum(labelled) <= K + SLACK


def test_a_filter_is_applied_while_vectors_are_scanned(project: DbtProject, tmp_path: Path) -> None:
    read = scans(project, "filtered", tmp_path)
    assert [rows for columns, rows in read if "embedding" in columns and rows > 1] == [ROWS // 10]


def test_statements_of_one_search(project: DbtProject) -> None:
    """A statement more is a round trip more, and often a pass over all rows: have a reason."""
    outcome = project.dbt("run", "--select", "near")
    assert outcome.ok, outcome.output
    assert project.statements() == STATEMENTS
