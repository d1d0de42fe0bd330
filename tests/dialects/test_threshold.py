"""A threshold and the model that it was chosen for: what is logged when a relation changes its model."""

from __future__ import annotations

import pytest
from harness import HASHING, DbtProject
from points import model
from targets import Target

EMBEDDING = "{{ config(materialized='embedding', model='hash64', key='id', text='text') }}\n"
TEXTS = "select * from (values (1, 'one'), (2, 'two'), (3, 'two')) as t(id, text)"
AGAIN = "may have been chosen for the former"
CALLS = {
    "groups": "duplicates(ref('texts'))",
    "groups_again": "duplicates(ref('texts'))",
    "pairs": "duplicate_pairs(ref('through'), threshold=0.8, method='sql')",
    "near": "within_threshold(ref('texts'), threshold=0.7)",
    "mapped": "duplicates(ref('texts'), threshold={'hash64': 0.9})",
    "other": "duplicates(ref('others'))",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    folder = tmp_path_factory.mktemp("threshold")
    models = {"hash64": HASHING, "steady": HASHING}
    made = DbtProject(folder, models=models, target=target.output(folder))
    made.write("models/texts.sql", EMBEDDING + TEXTS)
    made.write("models/others.sql", EMBEDDING.replace("hash64", "steady") + TEXTS)
    made.write("models/through.sql", "{{ config(materialized='view') }}\nselect * from {{ ref('texts') }}")
    for name, call in CALLS.items():
        model(made, name, call)
    done = made.dbt("run")
    assert done.ok, done.output
    assert AGAIN not in done.output
    return made


def test_a_changed_model_is_said_once_per_call(built: DbtProject) -> None:
    [(old,)] = built.query("select distinct model_id from texts")
    built.models = {"hash64": {**HASHING, "version": "2"}, "steady": HASHING}
    built.configure()
    done = built.dbt("run", "--threads", "2")
    assert done.ok, done.output
    [(new,)] = built.query("select distinct model_id from texts")
    end = "of two models are not on one scale: check it, then write threshold={'hash64': %s}, which ends this"
    lines = [line.partition("samespace.")[2] for line in done.output.splitlines() if AGAIN in line]
    assert sorted(set(lines)) == [
        f"{macro}: '{relation}' held {old} before and holds {new} now; threshold {number} {AGAIN}."
        f" Similarities {end % number} message."
        for macro, relation, number in (
            ("duplicate_pairs", "through", 0.8),
            ("duplicates", "texts", 0.9),
            ("within_threshold", "texts", 0.7),
        )
    ]


def test_nothing_is_said_where_nothing_is_built(built: DbtProject) -> None:
    for command in (("compile",), ("run", "--empty", "--exclude", "texts", "others")):
        done = built.dbt(*command)
        assert done.ok, done.output
        assert AGAIN not in done.output
