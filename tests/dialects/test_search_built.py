"""A table that samespace built is searched by shorter ways than any other; the answers are the same ones."""

from __future__ import annotations

import pytest
from harness import HASHING, DbtProject
from ivf_project import texts
from vectors import columns

MODELS = {"hash64": HASHING, "twin": {**HASHING, "version": "2", "same_space_as": "hash64"}}
ROWS = 400
TABLE = "{{ config(materialized='table') }}\n"
NOTES = "{{ config(materialized='embedding', model=%s, key='id', text='body') }}\nselect * from %s"
# The same rows as a table of somebody else.
COPY = TABLE + "select * from {{ ref('%s') }}"
THIRD = "'(select embedding from ' ~ ref('notes') ~ ' where id = 3)'"
CALLS = {
    "by_key": ("notes", "query_key=7"),
    "by_text_key": ("notes", "query_key='0007'"),
    "of_pair": ("pair", "query_key=7, model='twin', k=20"),
    "by_text": ("notes", "'parcel late refund', k=25"),
    "filtered": ("pair", "'parcel late refund', model='hash64', k=9, where='id % 5 = 1 -- some'"),
    "every": ("pair", "query_key=9, model='hash64', k=5000"),
    "by_vector": ("notes", f"query_vector={THIRD}, query_model='twin', k=8"),
}


def body(number: int, text: str) -> str:
    """Some rows have no text, some one that others have too."""
    return "null" if number % 50 == 4 else "''" if number % 50 == 5 else f"'{text}'"


@pytest.fixture(scope="module")
def project(make_project, target) -> DbtProject:
    project = make_project("search_built", on=target, models=MODELS)
    written = [*texts(ROWS - 100), *["the same words"] * 100]
    values = ", ".join(f"({n}, {body(n, text)})" for n, text in enumerate(written))
    rows = f"(values {values}) as t(id, body)"
    project.write("models/notes.sql", NOTES % ("'hash64'", rows))
    project.write("models/pair.sql", NOTES % ("['hash64', 'twin']", rows))
    for name in ("notes", "pair"):
        project.write(f"models/{name}_copy.sql", COPY % name)
    for name, (relation, arguments) in CALLS.items():
        for end in ("", "_copy"):
            call = "{{ samespace.search(ref('" + relation + end + "'), " + arguments + ") }}"
            depends = "-- depends_on: {{ ref('notes') }}\n"
            project.write(f"models/{name}{end}.sql", TABLE + depends + call)
    outcome = project.dbt("run")
    failed = {r["unique_id"]: r["message"] for r in outcome.results if r["status"] != "success"}
    assert not [name for name in failed if "by_text_key" not in name], outcome.output
    return project


@pytest.mark.parametrize("name", [name for name in CALLS if name != "by_text_key"])
def test_the_same_rows_as_of_a_copy(project, name) -> None:
    built, copied = (
        project.query(f"select id, body, model_id, similarity, rank from {table} order by rank")
        for table in (name, name + "_copy")
    )
    assert built and built == copied
    assert columns(project, name) == columns(project, name + "_copy")
    assert all(row[3] is not None for row in built)


def test_the_built_way_was_taken(project) -> None:
    for name in ("by_key", "by_text", "every"):
        of_built, of_copy = (
            (project.root / f"target/compiled/scratch/models/{table}.sql").read_text()
            for table in (name, name + "_copy")
        )
        assert "__samespace_row" in of_built
        assert "__samespace_row" not in of_copy


def test_keys_compare_as_text_either_way(project) -> None:
    outcome = project.dbt("run", "--select", "by_text_key", "by_text_key_copy")
    messages = [r["message"] for r in outcome.results]
    assert all("has no row with id = 0007" in message for message in messages), messages


def test_a_table_that_changed_by_hand_answers_with_comparable_rows(project) -> None:
    kind = "float[64]" if project.engine == "duckdb" else "vector"
    project.query(f"update notes set embedding = cast('{[0] * 64}' as {kind}) where id = 1")
    outcome = project.dbt("run", "--select", "by_key", "by_text")
    assert outcome.ok, outcome.output
    every = "{{ samespace.search(ref('notes'), query_key=7, k=5000) }}"
    project.write("models/of_changed.sql", TABLE + every)
    assert project.dbt("run", "--select", "of_changed").ok
    rows = project.query("select id, similarity from of_changed")
    assert 1 not in [row[0] for row in rows]
    assert all(row[1] is not None for row in rows)
