"""What a search reads on DuckDB and how often dbt asks for it, as numbers: no clock."""

from __future__ import annotations

import json
import re
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
    text = "select i as id, 'note ' || (i * 7919 % 5003) as body, repeat('x', 50) as label"
    made.write("models/emb.sql", f"{head}{text} from range({ROWS}) as r(i)")
    made.write(
        "models/near.sql",
        f"{{{{ config(materialized='table') }}}}\n{{{{ samespace.search(ref('emb'), query_key=7, k={K}) }}}}",
    )
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    return made


def operators(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "operator_type" in node:
        yield node
    for child in node["children"]:
        yield from operators(child)


def scans(project: DbtProject, sql: str, folder: Path) -> list[tuple[str, int]]:
    """The columns and rows of every scan of ``emb``."""
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
    compiled = (project.root / "target/compiled/scratch/models/near.sql").read_text()
    read = scans(project, compiled, tmp_path)
    whole = [columns for columns, rows in read if rows > K + SLACK]
    assert sum("embedding" in columns for columns in whole) == 1
    assert not any("label" in columns or "body" in columns for columns in whole)
    labelled = [rows for columns, rows in read if "label" in columns]
    assert sum(labelled) <= K + SLACK


def test_statements_of_one_search(project: DbtProject) -> None:
    """A statement more is a round trip more, and often a pass over all rows: have a reason."""
    outcome = project.dbt("run", "--select", "near")
    assert outcome.ok, outcome.output
    log = (project.root / "logs" / "dbt.log").read_text()
    last = log[log.rindex("running dbt with arguments") :]
    assert len(re.findall(r"Thread-1.*SQL status", last)) == STATEMENTS
