"""Several models side by side, roles, and spaces that a project declares."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from catalog import cache_tables
from counting import COUNTING, CountedProject
from targets import Target

ROWS = [{"id": number, "body": f"ticket {number % 4}"} for number in range(6)]
PROMPTED = {**COUNTING, "prompts": {"query": "query: "}}
MODELS = {
    "count": COUNTING, "second": {**COUNTING, "options": {"seed": 2}}, "prompted": PROMPTED,
    "twin": COUNTING, "plain": {**COUNTING, "version": "plain"},
}  # fmt: skip


@pytest.fixture(scope="module")
def made(counted_project: Callable[..., CountedProject], target: Target) -> CountedProject:
    """Models change test by test, in the order of this file; all are built in one run each time."""
    project = counted_project("roles", on=target, models=MODELS)
    project.table("raw", ROWS)
    project.model("pair", "select * from raw", model=["count", "second"])
    project.model("asked", "select * from raw", model="prompted", role="document")
    project.model("plainly", "select * from raw", model="plain", role="document")
    project.run()
    return project


def test_two_models_side_by_side(made: CountedProject) -> None:
    assert made.rows("select count(*), count(distinct model_id), count(embedding) from pair") == [(12, 2, 12)]
    assert len(made.counted("count")) == len(made.counted("second")) == 4
    assert made.rows(
        "select count(*) from (select id from pair group by id having count(distinct embedding) = 2)"
    ) == [(6,)]
    ((ids, role, rows),) = made.rows(
        "select model_ids, role, rows from samespace.embedding_relations where identifier = 'pair'"
    )
    assert (len(ids), role, rows) == (2, "document", 12)


def test_two_names_of_one_fingerprint_share_their_vectors(made: CountedProject) -> None:
    made.model("again", "select * from raw", model="twin")
    assert made.run().message("again") == "EMBED 0 new, 4 cached"
    assert made.counted() == []
    assert made.rows(
        "select count(*) from pair join again using (id) where pair.embedding = again.embedding"
    ) == [(6,)]
    # The cache is that of the fingerprint, whatever the name.
    assert len(cache_tables(made.project)) == 4


def test_counts_are_kept_per_model(made: CountedProject) -> None:
    made.sql("delete from raw where id = 5", "update raw set body = 'rewritten' where id = 0")
    outcome = made.run()
    # The twin of 'count' may have been first with the new text.
    assert outcome.message("pair").endswith("cached, 2 removed")
    runs = made.rows(
        "select rows, distinct_texts, removed, updated from samespace.embedding_runs "
        "where relation like '%\"pair\"' order by finished_at desc limit 2"
    )
    assert runs == [(5, 5, 1, 0)] * 2


def test_a_model_that_leaves_the_list_leaves_the_table(made: CountedProject) -> None:
    made.model("pair", "select * from raw", model=["second"])
    assert made.run().message("pair") == "EMBED 0 new, 5 cached, 5 removed"
    assert made.counted() == []
    assert made.rows("select distinct split_part(model_id, '@', 1) from pair") == [("second",)]


def test_another_role_embeds_again_where_prompts_differ(made: CountedProject) -> None:
    documents = dict(made.rows("select id, embedding from asked"))
    made.model("asked", "select * from raw", model="prompted", role="query")
    made.model("plainly", "select * from raw", model="plain", role="query")
    outcome = made.run()
    assert outcome.message("asked") == "EMBED 5 new, 0 cached"
    assert outcome.message("plainly") == "EMBED 0 new, 5 cached"
    assert len(made.counted("prompted")) == 5 and made.counted("plain") == []
    queries = dict(made.rows("select id, embedding from asked"))
    assert all(queries[key] != documents[key] for key in queries)
    assert made.rows("select role from samespace.embedding_relations where identifier = 'plainly'") == [
        ("query",)
    ]


def test_a_role_that_nobody_recorded_is_not_guessed(made: CountedProject) -> None:
    """The schema is gone, the role is changed back: query vectors must not stay as document vectors."""
    made.sql("drop schema samespace cascade")
    queries = dict(made.rows("select id, embedding from asked"))
    made.model("asked", "select * from raw", model="prompted", role="document")
    assert made.run().message("asked") == "EMBED 5 new, 0 cached"
    documents = dict(made.rows("select id, embedding from asked"))
    assert all(queries[key] != documents[key] for key in documents)


def test_a_declared_alias_must_prove_itself_whenever_it_is_declared(made: CountedProject) -> None:
    space = "select space from samespace.embedding_models where name = "
    plain = made.rows(space + "'plain'") or made.rows("select model_id from plainly limit 1")
    host = {**COUNTING, "version": "other host"}
    made.configure({**MODELS, "host": host, "foreign": {**host, "version": "x", "options": {"seed": 5}}})
    made.model("hosted", "select * from raw", model="host")
    made.model("foreign_one", "select * from raw", model="foreign")
    made.run()
    alone = made.rows(space + "'host'")
    # Both were registered alone; now they claim to be one space with 'plain'.
    declared = {
        "host": {**host, "same_space_as": "plain"},
        "foreign": {**host, "version": "x", "options": {"seed": 5}, "same_space_as": "plain"},
    }
    made.configure({**MODELS, **declared})
    made.table("raw", [*ROWS, {"id": 77, "body": "one text more, so that both encode"}])
    outcome = made.dbt("run")
    assert outcome.message("hosted").startswith("EMBED 1 new")
    assert made.rows(space + "'host'") == plain != alone
    message = " ".join(outcome.message("foreign_one").split())
    assert "what was loaded for foreign@" in message and "is not what is registered as plain@" in message
    assert made.rows(space + "'foreign'") != plain
    assert math.isclose(made.rows("select count(*) from foreign_one")[0][0], 5)
