# ruff: noqa: E501  # sentences are quoted as they are printed
"""The gate in a real project: other weights under the same id, and a registry that somebody edited."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from counting import COUNTING, CountedProject
from targets import Target

ATTACKS = {
    "other_weights": {"seed": 1},
    "lost_prompt": {"lost_prompt": True},
    "flipped_normalisation": {"scale": 1.7},
    "slightly_longer": {"scale": 1.002},
    "quantised": {"noise": 0.05},
}
HARMLESS = {"same": {}, "rounded": {"noise": 0.002}}
PROMPTED = {**COUNTING, "prompts": {"document": "passage: "}}
EDITS = {
    "a_canary": {
        "duckdb": "canaries = list_transform(canaries, (x, i) -> case when i = 7 then x + 0.001 else x end)",
        "pgvector": "canaries[7] = canaries[7] + 0.001",
    },
    "the_digest": "digest = repeat('0', 32)",
    "the_space": "space = 'minilm@01234567'",
    "the_length": "unit_norm = not unit_norm",
    "the_list": "canaries = canaries[2:]",
    "the_dimension": "dimension = 0",
    "the_list_version": "canary_version = 7",
}


@pytest.fixture(scope="module")
def made(counted_project: Callable[..., CountedProject], target: Target) -> CountedProject:
    """One model per attack and per edit, registered with good weights, then attacked; each in one run."""
    project = counted_project("gate", on=target)
    names = [*ATTACKS, *HARMLESS, *EDITS]
    models = {name: {**PROMPTED, "version": name, "load_from": project.weights(name)} for name in names}
    project.configure(models)
    project.table("raw", [{"id": 1, "body": "one text"}])
    for name in names:
        project.model(f"emb_{name}", "select * from raw", model=name)
    project.run()
    project.sql("create table before as select * from samespace.embedding_models")
    project.sql("insert into raw values (2, 'another text')")
    for name, weights in {**ATTACKS, **HARMLESS}.items():
        project.weights(name, **weights)
    for name, edit in EDITS.items():
        change = edit if isinstance(edit, str) else edit[project.engine]
        project.sql(f"update samespace.embedding_models set {change} where name = '{name}'")
    project.dbt("run")
    return project


def said(project: CountedProject, name: str) -> str:
    results = project.project.read_results()
    return " ".join(next(r["message"] for r in results if r["unique_id"].endswith(f".emb_{name}")).split())


@pytest.mark.parametrize("name", ATTACKS)
def test_other_weights_are_refused(made: CountedProject, name: str) -> None:
    message = said(made, name)
    assert re.search(
        rf"what was loaded for {name}@\w{{8}} is not what is registered as {name}@\w{{8}}: the \d+ canary texts agree "
        r"with a mean cosine of -?\d\.\d{5} \(needed 0\.9998\) and a smallest of -?\d\.\d{5} \(needed 0\.999\), "
        r"lengths differ by up to [\d.]+%\. Nothing was stored\. Pin revision: .* or bump version: in its spec",
        message,
    ), message
    assert made.rows(f"select id from emb_{name}") == [(1,)]
    stored = "select canaries, checksum from {} where name = '" + name + "'"
    assert made.rows(stored.format("before")) == made.rows(stored.format("samespace.embedding_models"))


@pytest.mark.parametrize("name", HARMLESS)
def test_the_same_weights_with_rounding_pass(made: CountedProject, name: str) -> None:
    assert said(made, name) == "EMBED 1 new, 1 cached"
    newer = "select last_verified_at > first_used_at from samespace.embedding_models where name = "
    assert made.rows(newer + f"'{name}'") == [(True,)]


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_registry_row_is_named_and_left_alone(made: CountedProject, name: str) -> None:
    assert re.search(
        rf"the row of {name}@\w{{8}} in (\"scratch\"\.)?\"samespace\"\.\"embedding_models\" is not what samespace wrote: it "
        r"was edited or damaged\. Restore it from a backup, or bump version: .* Nothing was embedded\.",
        said(made, name),
    ), said(made, name)
    assert made.rows(f"select id from emb_{name}") == [(1,)]
    assert made.rows(f"select count(*) from samespace.embedding_models where name = '{name}'") == [(1,)]


def test_a_new_name_for_other_weights_is_refused(made: CountedProject) -> None:
    """A renamed model shares the old one's cache: it is held to the old one's canaries."""
    models = dict(made.project.models)
    models["renamed"] = {**models["same"], "load_from": made.weights("foreign", seed=4)}
    made.configure(models)
    made.model("emb_renamed", "select * from raw union all select 3, 'a third text'", model="renamed")
    outcome = made.project.dbt("run", "--select", "emb_renamed", env=made.environment)
    assert not outcome.ok
    assert re.search(
        r"what was loaded for renamed@\w{8} is not what is registered as same@", said(made, "renamed")
    )
    made.weights("foreign")
    made.project.dbt("run", "--select", "emb_renamed", env=made.environment)
    assert said(made, "renamed") == "EMBED 1 new, 2 cached"
