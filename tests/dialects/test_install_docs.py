"""docs/functions.md: every example runs, on each engine that it is for."""

from __future__ import annotations

import re

import pytest
from harness import HASHING, REPO, DbtProject
from samespace.io._schema import RELATIONS, TABLES
from vectors import cosine, store, unit_rows

PAGE = (REPO / "docs" / "functions.md").read_text()
SHARED, POSTGRES = PAGE.split("\n## On PostgreSQL")
ONE = "minilm@3f9a2c1b"


def examples(text: str) -> list[str]:
    return re.findall(r"```sql\n(.+?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def project(make_project, target) -> DbtProject:
    project = make_project(f"install_docs_{target.name}", on=target, models={"one": HASHING})
    project.query("create schema samespace")
    project.query("create schema analytics")
    lists = "real[]" if project.engine == "pgvector" else "float[]"
    columns = TABLES[RELATIONS].format(text_list="text[]", float_list=lists)
    project.query(f"create table samespace.{RELATIONS} ({columns})")
    table = "analytics.ticket_embeddings"
    store(project, table, list(range(4703, 4733)), unit_rows(30), [ONE] * 30, key="ticket_id")
    project.query(f"alter table {table} rename column label to subject")
    project.query(f"update {table} set subject = 'printer ' || subject where ticket_id = 4711")
    project.query(
        f"insert into samespace.{RELATIONS} select current_database(), 'analytics', 'ticket_embeddings', "
        f"'ticket_id', 'subject', 'embedding', array['{ONE}'], 'document', 30, now()::timestamp"
    )
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output
    return project


def test_examples_run(project) -> None:
    texts = examples(SHARED) + (examples(POSTGRES) if project.engine == "pgvector" else [])
    answers = [project.query(text) for text in texts]
    assert [len(answer) for answer in answers] == [5, 5, 30, 5, 5, 3, 1, 5][: len(answers)]


def test_every_function_has_an_example() -> None:
    named = set(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE))
    assert named == set(re.findall(r"samespace\.(\w+)\(", "".join(examples(PAGE))))


def test_both_engines_answer_alike(project) -> None:
    """The same keys, ranks and similarities as NumPy gives; so the same on both."""
    rows = unit_rows(30)
    similarity = cosine(rows, [rows[8]])[:, 0]
    expected = sorted((-s, 4703 + i) for i, s in enumerate(similarity) if i != 8)[:20]
    key = "cast(key as integer)" if project.engine == "pgvector" else "ticket_id"
    found = project.query(
        f"select {key}, similarity, rank from samespace.search_by_key('ticket_embeddings', '4711', 20)"
    )
    assert found == [(key, -s, rank) for rank, (s, key) in enumerate(expected, 1)]
