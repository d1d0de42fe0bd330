"""The generic tests: each passes on sound relations and counts exactly the seeded faults.

single_space, dims_match, unit_norm, no_cross_space_pairs, embedding_is_fresh, no_truncated_text,
embedding_coverage.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import yaml
from vectors import DIMENSION, FIRST, SECOND, columns, sources, store, unit_rows

ROWS = unit_rows(6)
EMBEDDING = "{{ config(materialized='embedding', model='hash64', key='id', text='body') }}\n"
NOTES = "(1, 'cannot log in'), (2, 'the printer is broken'), (3, '  '), (4, null)"


def case(name: str, test: str, **arguments: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name}
    if arguments:
        body["arguments"] = arguments
    return {f"samespace.{test}": body}


TABLES = {
    "sound": [
        case("sound_single_space", "single_space"),
        case("sound_dims", "dims_match"),
        case("sound_norm", "unit_norm"),
        case("sound_coverage", "embedding_coverage"),
        case("sound_dimension_given", "dims_match", dimension=DIMENSION),
    ],
    "mixture": [
        case("two_spaces", "single_space"),
        case("mixture_dims", "dims_match", dimension=DIMENSION + 1),
        case("holes", "embedding_coverage"),
        case("holes_tolerated", "embedding_coverage", min_share=0.5),
        case("long_vectors", "unit_norm"),
        case("long_vectors_tolerated", "unit_norm", tolerance=1.01),
    ],
    "ragged": [case("ragged_dims", "dims_match")],
    "pairs_sound": [
        case("pairs_in_one_space", "no_cross_space_pairs", relation="source('raw', 'mixture')", key="id")
    ],
    "pairs_bad": [
        case("pairs_across", "no_cross_space_pairs", relation="source('raw', 'mixture')", key="id")
    ],
    "answers": [
        case(
            "answers_sound",
            "no_cross_space_pairs",
            relation="source('raw', 'mixture')",
            key="id",
            queries_key="id",
            queries="source('raw', 'sound')",
            left_key="query_key",
            right_key="neighbour_key",
        ),
    ],
}
MODELS = {
    "notes": [
        case("notes_single_space", "single_space"),
        case("notes_dims", "dims_match"),
        case("notes_norm", "unit_norm"),
        case("notes_fresh", "embedding_is_fresh"),
        case("notes_young", "embedding_is_fresh", max_age="1 hour"),
        case("notes_source", "embedding_is_fresh", source="source('raw', 'changed')"),
        case("notes_source_same", "embedding_is_fresh", source="source('raw', 'same')"),
        case("notes_whole", "no_truncated_text"),
        case("notes_coverage", "embedding_coverage", min_share=0.5),
        case("notes_covered", "embedding_coverage"),
    ],
    "uncached": [case("uncached_whole", "no_truncated_text"), case("uncached_fresh", "embedding_is_fresh")],
    "touched": [case("touched_fresh", "embedding_is_fresh", key="id", text="body")],
}
FAILURES = {
    "two_spaces": 3,
    "mixture_dims": 3,
    "holes": 1,
    "long_vectors": 1,
    "ragged_dims": 1,
    "pairs_across": 3,
    "notes_source": 3,
    "notes_covered": 1,
    "touched_fresh": 2,
}


@pytest.fixture(scope="module")
def project(make_project, target):
    project = make_project(
        "generic_tests",
        on=target,
        config={
            "flags": {
                "send_anonymous_usage_stats": False,
                "require_generic_test_arguments_property": True,
            }
        },
    )
    store(project, "sound", list(range(6)), ROWS, [FIRST] * 6)
    holes = [None, np.zeros(DIMENSION), *ROWS[:5]]
    store(project, "mixture", list(range(7)), holes, [FIRST] * 4 + [SECOND] * 2 + [None])
    # Lists of several lengths: on PostgreSQL only an array column may hold them.
    project.query(
        f"create table ragged as select '{FIRST}' as model_id, cast(array[1, 0] as real[]) as embedding"
    )
    for vector in ("array[0, 1]", "array[1, 0, 0]"):
        project.query(f"insert into ragged select '{FIRST}', cast({vector} as real[])")
    pairs = "create table {} as select * from (values {}) as t(left_key, right_key, model_id)"
    project.query(pairs.format("pairs_sound", f"(2, 3, '{FIRST}'), (4, 5, '{SECOND}')"))
    bad = f"(2, 3, '{FIRST}'), (3, 4, '{FIRST}'), (4, 3, '{SECOND}'), (2, 99, '{FIRST}')"
    project.query(pairs.format("pairs_bad", bad))
    project.query(f"create table answers as select 0 as query_key, 3 as neighbour_key, '{FIRST}' as model_id")
    changed = "(1, 'cannot log in'), (2, 'new'), (3, ' '), (5, 'more')"
    for name, rows in (("same", NOTES), ("changed", changed)):
        project.query(f"create table {name} as select * from (values {rows}) as t(id, body)")
    project.write("models/notes.sql", EMBEDDING + f"select * from (values {NOTES}) as t(id, body)")
    project.write(
        "models/uncached.sql",
        EMBEDDING.replace("key=", "cache=false, key=") + f"select * from (values {NOTES}) as t(id, body)",
    )
    project.write(
        "models/touched.sql",
        "{{ config(materialized='table') }} select id, content_hash, embedding,\n"
        "case when id = 1 then 'edited' else body end as body,\n"
        "case when id = 2 then 'hash64@00000000' else model_id end as model_id from {{ ref('notes') }}",
    )
    entries = yaml.safe_load(sources(*TABLES, "same", "changed"))
    for table in entries["sources"][0]["tables"]:
        table["data_tests"] = TABLES.get(table["name"], [])
    entries["models"] = [{"name": name, "data_tests": tests} for name, tests in MODELS.items()]
    project.write("models/properties.yml", yaml.safe_dump(entries))
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    outcome = project.dbt("test")
    project.results = {r["unique_id"].split(".")[2]: r for r in outcome.results}
    project.first_output = outcome.output
    return project


NAMES = [
    body["name"]
    for tests in [*TABLES.values(), *MODELS.values()]
    for entry in tests
    for body in entry.values()
]


@pytest.mark.parametrize("name", NAMES)
def test_counts_exactly_the_faults(project, name) -> None:
    result = project.results.get(name)
    assert result, project.first_output
    assert (result["status"], result["failures"]) == (
        ("fail", FAILURES[name]) if name in FAILURES else ("pass", 0)
    ), result["message"]


def test_truncated_texts(project) -> None:
    """The cache says which texts were cut; the tolerated share is of the rows with a text."""
    [(cache,)] = project.query(
        "select table_name from information_schema.tables where table_name like 'embedding_cache_%'"
    )
    content_hash = hashlib.sha256(b"cannot log in").hexdigest()
    project.query(f"update samespace.{cache} set truncated = true where content_hash = '{content_hash}'")
    outcome = project.dbt("test", "--select", "notes_whole")
    assert outcome.results[0]["failures"] == 1, outcome.output
    entries = {
        "models": [{"name": "notes", "data_tests": [case("half", "no_truncated_text", max_share=0.5)]}]
    }
    project.write("models/properties.yml", yaml.safe_dump(entries))
    outcome = project.dbt("test", "--select", "half")
    assert outcome.results[0]["status"] == "pass", outcome.output


def test_bad_arguments_are_named(project) -> None:
    tests = [
        case("bad_age", "embedding_is_fresh", max_age="soon"),
        case("bad_dimension", "dims_match", dimension=0),
        case("aged", "embedding_is_fresh", max_age="1 minute"),
    ]
    project.write(
        "models/properties.yml", yaml.safe_dump({"models": [{"name": "notes", "data_tests": tests}]})
    )
    project.query("update samespace.embedding_relations set updated_at = updated_at - interval '1 day'")
    outcome = project.dbt("test", "--select", "notes")
    results = {r["unique_id"].split(".")[2]: r for r in outcome.results}
    assert (
        "max_age is soon; expected a number of minutes, hours, days or weeks" in results["bad_age"]["message"]
    )
    assert (
        "samespace.dims_match: dimension is 0; expected a whole number" in results["bad_dimension"]["message"]
    )
    assert results["aged"]["failures"] == 1


def test_excluded_rows(make_project, target) -> None:
    project = make_project("excluded", on=target)
    vectors = [None, np.zeros(DIMENSION), np.full(DIMENSION, np.nan), *ROWS[:4]]
    store(project, "mixture", list(range(7)), vectors, [FIRST] * 4 + [SECOND, SECOND, None])
    project.write("models/sources.yml", sources("mixture"))
    project.write(
        "models/excluded.sql", "{{ samespace.excluded_rows(source('raw', 'mixture'), '" + FIRST + "') }}"
    )
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    # pgvector refuses NaN, so there that row has no vector.
    missing = 1 if project.engine == "duckdb" else 2
    assert set(project.query("select * from excluded")) == {
        (FIRST, missing, "no vector"),
        (FIRST, 3 - missing, "not a usable vector"),
        (SECOND, 2, "another space"),
        (None, 1, "no model_id"),
    }
    assert [name for name, _ in columns(project, "excluded")] == ["model_id", "rows", "reason"]
