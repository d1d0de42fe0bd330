"""Pruning by a role that does not see everything: nothing in use is swept, nothing of others dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import HASHING, DbtProject, Outcome
from targets import PGVECTOR

MODELS = {"tiny": {**HASHING, "dimension": 16}, "other": {**HASHING, "dimension": 16, "version": "2"}}
TEXTS = (
    "{{ config(materialized='embedding', model='%s', key='id', text='body') }}\n"
    "select * from (values (1, 'a'), (2, 'b')) as t(id, body)"
)


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    """Two relations that the second role may not read; the one of `other` is dropped after it was built."""
    made = make_project("prune_roles", on=PGVECTOR, models=MODELS)
    role = f"second_{made.output['dbname']}"
    made.query(f"create role {role}")
    made.variables["samespace_grants"] = [role]
    made.configure()
    for name in MODELS:
        made.write(f"models/{name}_texts.sql", TEXTS % name)
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    made.query("drop table main.other_texts")
    made.query(f"grant usage on schema public to {role}")
    made.target["role"] = role
    made.configure()
    return made


@pytest.fixture(scope="module")
def pruned(project: DbtProject) -> Outcome:
    outcome = project.dbt("run-operation", "samespace.prune_cache", "--args", "{days: 0, apply: true}")
    assert outcome.ok, outcome.output
    return outcome


def counts(project: DbtProject) -> dict[str, int]:
    """Rows of each cache table."""
    tables = project.query(
        "select relname from pg_class where relkind = 'r' and relname like 'embedding_cache_%' order by 1"
    )
    return {name: project.query(f"select count(*) from samespace.{name}")[0][0] for (name,) in tables}


def test_vectors_of_a_table_that_is_hidden_are_kept(project: DbtProject, pruned: Outcome) -> None:
    assert "cannot be read here, so every vector of tiny@" in " ".join(pruned.output.split())
    assert sorted(counts(project).values()) == [0, 2]


def test_a_table_of_another_role_is_emptied_and_not_dropped(project: DbtProject, pruned: Outcome) -> None:
    assert len(counts(project)) == 2
    assert "dropped" not in pruned.output
