"""What a search on PostgreSQL reads and how often dbt asks for it, as numbers: no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import databases
import pytest
from harness import HASHING, DbtProject
from targets import PGVECTOR

ROWS, K, SLACK = 5_000, 10, 64
# Statements that dbt sends for one model with a search, transactions included.
STATEMENTS = 10
INDEX = {"type": "hnsw", "build": "always"}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("reads_pg", on=PGVECTOR, models={"hash64": HASHING})
    made.write(
        "models/emb.sql",
        f"{{{{ config(materialized='embedding', model='hash64', key='id', text='body', index={INDEX}) }}}}\n"
        "select i as id, 'note ' || (i * 7919 % 5003) as body, repeat('x', 50) as label "
        f"from generate_series(1, {ROWS}) as r(i)",
    )
    made.write(
        "models/near.sql",
        f"{{{{ config(materialized='table') }}}}\n{{{{ samespace.search(ref('emb'), query_key=7, k={K}) }}}}",
    )
    for command in (["run"], ["run-operation", "samespace.install"]):
        outcome = made.dbt(*command)
        assert outcome.ok, outcome.output
    made.query("analyze emb")
    return made


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_rows_read_by_a_search_with_an_index(project: DbtProject) -> None:
    """The row asked for, and as many as the index is asked for."""
    compiled = (project.root / "target/compiled/scratch/models/near.sql").read_text()
    plan = project.query("explain (analyze, format json) " + compiled)[0][0][0]["Plan"]
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "emb" and node["Actual Loops"]]
    by_index = [node for node in scans if node.get("Index Name", "").startswith("samespace_hnsw")]
    assert [node["Actual Rows"] * node["Actual Loops"] for node in by_index] == [K + SLACK]
    others = [node for node in scans if node not in by_index]
    # A table without an index on its key is read once for the row asked for, and gives that row alone.
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in others) <= 1


def test_rows_read_by_the_installed_function(project: DbtProject) -> None:
    read = "select sum(idx_tup_fetch), sum(seq_scan) from pg_stat_xact_user_tables where relname = 'emb'"
    vector, model_id = project.query("select embedding::text, model_id from emb where id = 7")[0]
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("select key from samespace.search_by_vector('emb', %s, %s, %s)", [vector, model_id, K])
        assert cursor.fetchone() == ("7",)
        cursor.execute(read)
        fetched, scans = cursor.fetchone()
    assert K < fetched <= 2 * K
    assert scans == 0


def test_statements_of_one_search(project: DbtProject) -> None:
    """A statement more is a round trip more, and often a pass over all rows: have a reason."""
    outcome = project.dbt("run", "--select", "near")
    assert outcome.ok, outcome.output
    assert project.statements() == STATEMENTS
