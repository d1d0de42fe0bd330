"""prune_cache against an oracle in Python, on a database of many relations: nothing needed ever goes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import duckdb
import numpy as np
import pytest
from databases import vector_type
from harness import DbtProject
from job_connection import Connection
from samespace._registry import Registration
from samespace.io._store import Store
from samespace.io.duckdb import DuckDBStore
from samespace.io.postgres import PostgresStore
from samespace.spec import ModelSpec
from targets import Target

NOW = datetime.now(timezone.utc).replace(tzinfo=None)
HASHES = [f"{number:064x}" for number in range(40)]
# Prompts make two roles; without them both are kept as documents.
MODELS = {
    "plain@aaaaaaaa": {},
    "prompted@bbbbbbbb": {"prompts": {"query": "query: "}},
    "alone@cccccccc": {},
    "before@dddddddd": {},
    "after@dddddddd": {},
    "elsewhere@eeeeeeee": {},
    "gone@ffffffff": {},
}
# Relation: model_ids recorded for it, role, and whether its table is there.
RELATIONS = {
    "tickets": (["plain@aaaaaaaa", "prompted@bbbbbbbb"], "document", True),
    "Quoted 'Notes'": (["plain@aaaaaaaa"], "query", True),
    "questions": (["prompted@bbbbbbbb"], "query", True),
    "renamed": (["after@dddddddd"], "document", True),
    "dropped": (["plain@aaaaaaaa", "gone@ffffffff"], "document", False),
    "other_file": (["elsewhere@eeeeeeee"], "document", True),
}


@dataclass(frozen=True)
class Row:
    model: str
    role: str
    content_hash: str
    created_at: datetime
    unused_since: datetime | None


def digest(model_id: str) -> str:
    return model_id.split("@")[1] * 4


def generated() -> tuple[list[Row], dict[str, list[tuple[str, str | None]]]]:
    """Cache rows of every age, marked or not, and the (model_id, content_hash) rows of each relation."""
    source = random.Random(11)
    rows = [
        Row(
            model,
            role,
            content_hash,
            NOW - timedelta(days=source.choice([0, 10, 29.9, 30.1, 400])),
            source.choice([None, None, NOW - timedelta(days=source.choice([1, 29.9, 30.1, 90]))]),
        )
        for model in sorted({*MODELS} - {"before@dddddddd"})
        for role in ("document", "query")
        for content_hash in source.sample(HASHES, 25)
        if model != "gone@ffffffff" or role == "document"
    ]
    held = {
        name: [(model, source.choice([*HASHES, None])) for model in models for _ in range(12)]
        for name, (models, _, _) in RELATIONS.items()
    }
    return rows, held


ROWS, HELD = generated()


def kept_as(model: str, role: str) -> str:
    return role if MODELS[model] else "document"


def is_used(row: Row) -> bool:
    return row.model == "elsewhere@eeeeeeee" or any(
        there
        and digest(model) == digest(row.model)
        and content_hash == row.content_hash
        and kept_as(row.model, role) == row.role
        for name, (_, role, there) in RELATIONS.items()
        for model, content_hash in HELD[name]
    )


def expected(rows: list[Row], days: float) -> dict[Row, bool]:
    """Row -> whether it is marked afterwards; rows that go are left out."""
    after: dict[Row, bool] = {}
    for row in rows:
        since = row.unused_since or (row.created_at if row.role == "query" else NOW)
        if is_used(row):
            after[row] = False
        elif since > NOW - timedelta(days=days):
            after[row] = True
    return after


@contextmanager
def store_of(project: DbtProject) -> Iterator[Store]:
    """The tables of samespace in the project's database."""
    if project.engine == "duckdb":
        with duckdb.connect(str(project.database)) as connection:
            yield DuckDBStore(connection, "scratch", "samespace")
        return
    project.query("create extension if not exists vector")
    with closing(Connection(project.output)) as connection:
        yield PostgresStore(connection, "samespace")


def build(project: DbtProject) -> None:
    own = "scratch" if project.engine == "duckdb" else project.output["dbname"]
    with store_of(project) as store:
        store.prepare()
        for model_id, identity in MODELS.items():
            spec = ModelSpec(model_id.split("@")[0], model_id, digest(model_id), "hashing", 2, identity)
            store.prepare_cache(spec)
            store.register(spec, Registration(model_id, spec.digest, 1, np.zeros((1, 2), np.float32)))
    vector = f"cast('[1, 0]' as {vector_type(project.output, 2)})"
    for model in sorted({row.model for row in ROWS}):
        project.insert(
            f"insert into samespace.embedding_cache_{digest(model)} "
            f"values (?, ?, {vector}, null, null, ?, ?)",
            [(r.role, r.content_hash, r.created_at, r.unused_since) for r in ROWS if r.model == model],
        )
    for name, (models, role, there) in RELATIONS.items():
        database = "another_file" if name == "other_file" else own
        project.query(
            "insert into samespace.embedding_relations "
            "values (?, 'main', ?, 'id', 'body', 'embedding', ?, ?, 1, cast(now() as timestamp))",
            [database, name, models, role],
        )
        if there and database == own:
            table = '"' + name + '"'
            project.query(f"create table {table} (model_id text, content_hash text)")
            project.insert(f"insert into {table} values (?, ?)", HELD[name])


def contents(project: DbtProject) -> list[tuple]:
    names = project.query(
        "select table_name from information_schema.tables where table_name like 'embedding_cache_%'"
    )
    columns = "role, content_hash, created_at, unused_since"
    found: list[tuple] = []
    for (name,) in names:
        found += project.query(f"select '{name}', {columns} from samespace.{name}")
    return sorted([*found, *names], key=str)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    folder = tmp_path_factory.mktemp("prune")
    # No plugin: pruning needs no Python.
    plugins = {"plugins": []} if target.name == "duckdb" else {}
    made = DbtProject(folder, target={**target.output(folder), **plugins})
    made.write("models/one.sql", "select 1 as a")
    return made


def prune(project: DbtProject, **arguments):
    return project.dbt("run-operation", "samespace.prune_cache", "--args", json.dumps(arguments))


def test_wrong_arguments_are_refused_together(project: DbtProject) -> None:
    outcome = prune(project, days=-1, apply="yes")
    assert not outcome.ok
    assert "days is -1; expected a number from 0 to 36500; apply is" in outcome.output
    assert "expected true or false" in outcome.output


def test_without_a_cache_there_is_nothing_to_do(project: DbtProject) -> None:
    outcome = prune(project)
    assert outcome.ok, outcome.output
    assert "samespace.prune_cache: there is no cache in" in outcome.output


def test_mark_and_sweep(project: DbtProject) -> None:
    build(project)
    before = contents(project)

    outcome = prune(project, days=30)
    assert outcome.ok, outcome.output
    assert contents(project) == before
    after = expected(ROWS, 30)
    for name in ("plain@aaaaaaaa", "prompted@bbbbbbbb", "alone@cccccccc"):
        rows = [row for row in ROWS if row.model == name]
        gone = len([row for row in rows if row not in after])
        waiting = len([row for row in rows if after.get(row)])
        assert (
            f"{name}: {gone} of {len(rows)} vectors (0.0 MB) unused for 30 days would be removed; "
            f"{waiting} unused for less; {len(rows) - gone - waiting} in use" in outcome.output
        ), outcome.output
    assert '"dropped" is recorded but no longer exists, so it keeps no vector' in outcome.output
    assert '"other_file" cannot be read here, so every vector of elsewhere@eeeeeeee is kept' in outcome.output
    assert "nothing was changed" in outcome.output

    outcome = prune(project, days=30, apply=True)
    assert outcome.ok, outcome.output
    left = {row[:3]: row[4] is not None for row in contents(project) if len(row) > 1}
    assert left == {
        ("embedding_cache_" + digest(row.model), row.role, row.content_hash): marked
        for row, marked in after.items()
    }

    # Swept at once: what is left is needed, or of a relation that cannot be read here.
    outcome = prune(project, days=0, apply=True)
    assert outcome.ok, outcome.output
    rows = [row for row in contents(project) if len(row) > 1]
    needed = {
        ("embedding_cache_" + digest(row.model), row.role, row.content_hash) for row in ROWS if is_used(row)
    }
    assert {row[:3] for row in rows} == needed
    assert {row[4] for row in rows} == {None}
    tables = {row[0] for row in contents(project)}
    assert tables == {"embedding_cache_" + letter * 32 for letter in "abde"}
    assert project.query("select count(*) from samespace.embedding_models") == [(len(MODELS),)]


def test_the_oracle_is_not_idle() -> None:
    """The generated rows hold every case, or the test above would prove little."""
    after = expected(ROWS, 30)
    used = [row for row in ROWS if is_used(row)]
    assert {row.unused_since is None for row in used} == {True, False}
    assert {row.role for row in used} == {"document", "query"}
    assert len(after) < len(ROWS)
    assert set(after.values()) == {True, False}
    assert not is_used(replace(ROWS[0], model="gone@ffffffff"))
