"""Cells beside their table: kept through kill -9, made again under a new name, gone when the table is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from dbt_process import Dbt
from faults.processes import wait_for
from harness import DbtProject
from ivf_project import build, documents, embedding, facts, load, nearest, prepare, search

ROWS = 700
FOREVER = "select count(*) from range(1000000) as a, range(1000000) as b where a.range * b.range = -1"
CELLS = "select identifier, model_id, cell, centroid from samespace.ivf_cells_64 order by all"
INDEXES = "select * from samespace.ivf_indexes order by all"
TABLE = "select * from emb order by id"


@pytest.fixture
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("ivf_life")
    load(made, documents(ROWS))
    prepare(made, {"near": search(f"query_key=5, k={ROWS}")})
    return made


def complete(project: DbtProject, rows: int) -> None:
    """Every vector is in a cell that is known, and a search that may read all of them is the exact one."""
    known = "select cell from samespace.ivf_cells_64 where identifier = 'emb'"
    assert project.query(f"select count(*) from emb where __samespace_cell in ({known})") == [(rows,)]
    build(project, "-s", "near")
    near = [row[0] for row in project.query("select similarity from near order by rank")]
    assert near == pytest.approx(nearest(project, 5, ROWS), abs=1e-6)


@pytest.mark.parametrize("refresh", [[], ["--full-refresh"]], ids=["merge", "swap"])
def test_killed_before_the_commit_table_and_cells_are_as_they_were(project, refresh, tmp_path) -> None:
    build(project)
    before = [project.query(sql) for sql in (TABLE, INDEXES, CELLS)]
    load(project, documents(ROWS + 60))
    marker: Path = tmp_path / "before_the_commit.csv"
    calm = (project.root / "models/emb.sql").read_text()
    project.write("models/emb.sql", embedding({"type": "ivf", "build": "always"},
                  post_hook=[f"copy (select 1) to '{marker}'", FOREVER]))  # fmt: skip
    process = Dbt(["--no-use-colors", "run", "-s", "emb", *refresh], project.root, project.environment())
    wait_for(marker.exists, process)
    process.kill()
    process.communicate()
    assert [project.query(sql) for sql in (TABLE, INDEXES, CELLS)] == before

    project.write("models/emb.sql", calm)
    build(project, "-s", "emb", *refresh)
    assert next(iter(facts(project).values()))["rows"] == ROWS + 60
    complete(project, ROWS + 60)


def test_a_full_refresh_makes_the_same_cells_again(project) -> None:
    build(project)
    before = [project.query(sql) for sql in (TABLE, CELLS)]
    build(project, "--full-refresh")
    assert [project.query(sql) for sql in (TABLE, CELLS)] == before
    assert len(facts(project)) == 1
    complete(project, ROWS)


def test_a_renamed_model_has_cells_of_its_own_and_pruning_removes_the_old(project) -> None:
    build(project)
    (project.root / "models/emb.sql").rename(project.root / "models/renamed.sql")
    project.write("models/near.sql", "select 1 as one")
    build(project)
    names = "select distinct identifier from samespace.ivf_indexes order by 1"
    numbers = project.query(
        "select a.__samespace_cell from emb as a inner join renamed as b using (__samespace_cell)"
    )
    assert (project.query(names), numbers) == ([("emb",), ("renamed",)], [])

    def prune(**arguments: object) -> str:
        outcome = project.dbt("run-operation", "samespace.prune_cache", "--args", json.dumps(arguments))
        assert outcome.ok, outcome.output
        return outcome.output

    assert "cells of" not in prune(apply=True)
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("drop table emb")
    assert "the cells of main.emb, which no longer has any, would be removed" in prune()
    assert project.query(names) == [("emb",), ("renamed",)]
    assert "the cells of main.emb, which no longer has any, were removed" in prune(apply=True)
    assert project.query(names) == [("renamed",)]
    assert project.query("select distinct identifier from samespace.ivf_cells_64") == [("renamed",)]


def test_two_threads_make_their_first_cells_at_once(make_project) -> None:
    project = make_project("ivf_threads", target={"threads": 4})
    load(project, documents(ROWS))
    prepare(project, {f"emb{number}": embedding({"type": "ivf", "build": "always"}) for number in range(4)})
    build(project)
    build(project, "--full-refresh")
    held = project.query("select identifier, rows from samespace.ivf_indexes order by 1")
    assert held == [(name, ROWS) for name in ("emb", "emb0", "emb1", "emb2", "emb3")]
