"""A project that installs samespace builds: every macro has a thin model there, every generic test a use."""

from __future__ import annotations

import json

import pytest
from consumer.consumer import LOCAL, Copy, copy_consumer
from targets import DUCKDB, Target

# What only a command reaches: dbt run-operation, after the build.
OPERATIONS = {
    "samespace.install": [],
    "samespace.prune_cache": ["--args", "{days: 0, apply: true}"],
    "samespace.store_uncompressed": [],
}

# Models that call embed(), embed_columns() or similarity() of what they return.
ENCODING = {"embedded_columns", "embedded_struct", "compared_structs"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Copy:
    """The project after `dbt deps` and one `dbt build`, unit tests and data tests included."""
    folder = tmp_path_factory.mktemp("consumer")
    project = copy_consumer(folder, output=target.output(folder))
    project.install(LOCAL)
    done = project.dbt("build")
    assert done.returncode == 0, done.stdout
    return project


def results(project: Copy) -> dict[str, list[str]]:
    """Names of what ran by resource type."""
    ran: dict[str, list[str]] = {}
    for result in json.loads((project.root / "target" / "run_results.json").read_text())["results"]:
        kind, _, name = result["unique_id"].split(".")[:3]
        ran.setdefault(kind, []).append(name)
    return ran


def test_everything_was_built(built: Copy) -> None:
    ran = results(built)
    models = {file.stem for file in (built.root / "models").rglob("*.sql")}
    # embed() needs Python in the database.
    only_duckdb = set() if built.output["type"] == DUCKDB.name else ENCODING
    assert models - only_duckdb <= set(ran["model"])
    assert ran["unit_test"]
    assert ran["test"]


def test_only_a_declared_partner_shares_a_space(built: Copy) -> None:
    rows = built.query("select left_model_id, right_model_id from shared_spaces")
    meetings = {tuple(model_id.split("@")[0] for model_id in row) for row in rows}
    twins = {"letters", "letters_twin"}
    assert meetings == {(left, right) for left in twins for right in twins} | {("words", "words")}


def test_ids_are_derived_alike_everywhere(built: Copy) -> None:
    stored = built.query("select distinct model_id from note_embeddings")
    assert len(stored) == 1
    if built.output["type"] == DUCKDB.name:
        assert stored == built.query("select distinct model_id from embedded_columns")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_runs(built: Copy, operation: str) -> None:
    done = built.dbt("run-operation", operation, *OPERATIONS[operation])
    if operation == "samespace.store_uncompressed" and built.output["type"] != DUCKDB.name:
        assert "stores vectors as they are, so there is nothing to do here" in done.stdout
    else:
        assert done.returncode == 0, done.stdout


def test_commands_that_do_not_build_need_no_table(tmp_path) -> None:
    """Parsing, listing and compiling a project whose database is empty loads and asks nothing."""
    project = copy_consumer(tmp_path / "empty")
    project.install(LOCAL)
    listed = project.dbt("--warn-error", "--quiet", "ls", fresh=True)
    assert listed.returncode == 0, listed.stdout
