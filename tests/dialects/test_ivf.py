"""Cells on DuckDB: built as asked, no more read than needed, right after any change, never too few."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from harness import HASHING, DbtProject
from ivf_project import (
    INDEX,
    ROWS,
    SAME,
    build,
    compared,
    documents,
    embedding,
    facts,
    load,
    nearest,
    prepare,
    search,
    texts,
)

MODELS = {
    "ten": search("query_key=5, k=10"),
    "hundred": search("query_key=5, k=100"),
    "tenth": search("query_key=5, k=10, where='part % 10 = 3'"),
    "half": search("query_key=5, k=10, where='id % 2 = 0 -- even'"),
    "apart": search(
        "query_key=5, k=10, where='__samespace_cell > (select median(__samespace_cell) from emb)'"
    ),
    "rare": search("query_key=5, k=100, where='part = 3'"),
    "exact": search("query_key=5, k=10, method='exact'"),
    "view": search("query_key=5, k=10, method='index'", "view"),
    "view_auto": search("query_key=5, k=10", "view"),
    "check": "{{ config(materialized='table') }}\n{{ samespace.recall_check(ref('emb'), queries=50) }}",
}

# Vectors after test_changes_keep_the_cells: 100 rows gone, one without a text, 50 more.
LEFT = ROWS - 100 - 1 + 50


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("ivf", models={"hash64": HASHING})
    load(made, documents())
    prepare(made, MODELS)
    build(made)
    return made


def found(project: DbtProject, model: str) -> list[float]:
    return [row[0] for row in project.query(f"select similarity from {model} order by rank")]


def agrees(project: DbtProject, table: str, k: int, where: str = "true", model: str | None = None) -> float:
    """The share of the exact answer's similarities that a table holds; it has as many rows."""
    right, mine = nearest(project, 5, k, where, model), found(project, table)
    assert len(mine) == len(right)
    return sum(value >= right[-1] - 1e-6 for value in mine) / len(right)


@pytest.mark.parametrize(
    ("model", "k", "where"),
    [("ten", 10, "true"), ("hundred", 100, "true"), ("tenth", 10, "part % 10 = 3"), ("view", 10, "true")],
)
def test_a_search_reads_a_part_of_the_rows_and_finds_nearly_all(project, model, k, where) -> None:
    assert agrees(project, model, k, where) >= 0.9
    assert 0 < compared(project, model) < ROWS / 2 or where != "true"


def test_a_filter_makes_a_search_go_further_and_not_to_the_end(project) -> None:
    assert agrees(project, "half", 10, "id % 2 = 0") >= 0.9
    assert compared(project, "ten") / 2 < compared(project, "half") < compared(project, "ten") < ROWS / 2


def test_a_filter_that_keeps_other_cells_than_the_nearest_finds_its_rows(project) -> None:
    far = "__samespace_cell > (select median(__samespace_cell) from emb)"
    assert agrees(project, "apart", 10, far) >= 0.9
    assert compared(project, "apart") < ROWS / 2


def test_few_rows_behind_a_filter_are_all_found(project) -> None:
    assert len(found(project, "rare")) == ROWS // 100
    assert agrees(project, "rare", ROWS // 100, "part = 3") == 1.0


def test_exact_ways_do_not_ask_the_cells(project) -> None:
    for model in ("exact", "view_auto"):
        sql = (project.root / f"target/compiled/scratch/models/{model}.sql").read_text()
        assert "__samespace_probed" not in sql
        assert agrees(project, model, 10) == 1.0


def test_the_cell_is_not_part_of_an_answer(project) -> None:
    names = [row[0] for row in project.query("describe ten")]
    assert names == ["id", "body", "part", "model_id", "content_hash", "similarity", "rank"]


def test_the_table_is_sorted_and_every_vector_has_a_cell(project) -> None:
    assert project.query(
        "select count(*) from emb where __samespace_cell is null or __samespace_cell = 0"
    ) == [(0,)]
    cells = [row[0] for row in project.query("select __samespace_cell from emb order by rowid")]
    assert cells == sorted(cells)


def test_recall_check_tells_what_the_build_measured(project) -> None:
    row = project.query('select k, queries, mean_recall, p5_recall, share_below_80 from "check"')[0]
    assert row[:2] == (10, 50)
    assert 0.88 <= row[2] <= 1
    assert 0 <= row[3] <= row[2]
    assert 0 <= row[4] <= 0.3


def test_changes_keep_the_cells(project) -> None:
    before = facts(project)
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("delete from docs where id between 100 and 199")
        connection.execute("update docs set body = body || ' changed' where id between 200 and 249")
        connection.execute("update docs set body = null where id = 250")
        connection.execute(
            "insert into docs select id + 100000, body || ' again', part from docs where id < 50"
        )
    output = build(project)
    assert "written anew" not in output
    after = facts(project)
    for name, fact in after.items():
        assert fact["cells"] == before[name]["cells"]
        assert (fact["rows"], fact["appended"]) == (LEFT, 50 + 1 + 50)
    assert project.query("select id from emb where __samespace_cell is null") == [(250,)]
    assert project.query("select count(*) from emb where __samespace_cell = 0") == [(0,)]
    assert agrees(project, "ten", 10) >= 0.9
    # With every cell open the answer is the exact one: no row is in a cell where a search does not look.
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("update samespace.ivf_indexes set share_10 = 1, share_100 = 1")
    build(project, "-s", "ten", "hundred")
    assert agrees(project, "ten", 10) == agrees(project, "hundred", 100) == 1.0
    assert compared(project, "ten") == LEFT


def test_rows_and_centroids_that_nobody_knows_are_read_by_every_search(project) -> None:
    build(project, "--full-refresh", "-s", "emb")
    with duckdb.connect(str(project.database)) as connection:
        connection.execute(
            "insert into emb by name select * exclude (__samespace_cell) replace (id + 500000 as id) "
            "from emb where id < 10"
        )
        assert connection.execute("select count(*) from emb where __samespace_cell = 0").fetchone() == (10,)
        connection.execute("delete from samespace.ivf_cells_64")
    assert agrees(project, "view", 10) == 1.0


def test_more_rows_bring_new_cells(project) -> None:
    build(project, "--full-refresh", "-s", "emb")
    load(project, documents(2 * ROWS + 500, seed=2))
    output = build(project, "-s", "emb", "ten")
    assert f"{2 * ROWS + 500:,} rows instead of the {LEFT:,} they were made for" in output
    assert next(iter(facts(project).values()))["appended"] == 0
    assert agrees(project, "ten", 10) >= 0.9
    assert "written anew" not in build(project, "-s", "emb")


def test_taking_the_option_back_takes_the_column_and_the_cells(project) -> None:
    project.write("models/emb.sql", embedding("none"))
    build(project, "-s", "emb", "ten", "view_auto")
    assert "__samespace_cell" not in [row[0] for row in project.query("describe emb")]
    assert facts(project) == {}
    assert project.query("select count(*) from samespace.ivf_cells_64") == [(0,)]
    assert agrees(project, "ten", 10) == 1.0
    project.write("models/emb.sql", embedding(INDEX))
    build(project, "-s", "emb")
    assert facts(project)


@pytest.fixture(scope="module")
def other(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("ivf_more", models={"hash64": HASHING, "second": {**HASHING, "version": "2"}})
    load(made, documents(500))
    prepare(made, {})
    return made


def test_a_thousand_identical_texts_come_back(other) -> None:
    rows = [*documents(500), *((1000 + number, "one and the same text", 7) for number in range(SAME))]
    load(other, rows)
    prepare(other, {"same": search("query_key=1000, k=100")})
    build(other)
    assert found(other, "same") == [1.0] * 100


def test_models_of_one_relation_never_meet(other) -> None:
    load(other, documents(800))
    prepare(other, {"same": search("query_key=5, k=100, model='second'")}, **{"model": ["hash64", "second"]})
    build(other)
    assert len(facts(other)) == 2
    cells = other.query(
        "select model_id, min(__samespace_cell), max(__samespace_cell) from emb group by 1 order by 2"
    )
    assert cells[0][2] < cells[1][1]
    ids = other.query("select distinct model_id from same")
    assert len(ids) == 1
    assert ids[0][0].startswith("second@")
    assert agrees(other, "same", 100, model="second") >= 0.9


def test_members_of_one_space_are_searched_together(make_project) -> None:
    twin = {**HASHING, "version": "2", "same_space_as": "hash64"}
    family = make_project("ivf_family", models={"hash64": HASHING, "twin": twin})
    load(family, documents(800))
    asked = "query_key=5, k=60, model='twin'"
    models = {"same": search(asked), "exact": search(f"{asked}, method='exact'")}
    prepare(family, models, model=["hash64", "twin"])
    build(family)
    right = found(family, "exact")
    assert {row[0] for row in family.query("select count(*) from same group by model_id")} == {30}
    assert sum(value >= right[-1] - 1e-6 for value in found(family, "same")) >= 0.9 * len(right) == 54
    with duckdb.connect(str(family.database)) as connection:
        connection.execute("update samespace.ivf_indexes set share_10 = 1, share_100 = 1")
    build(family, "-s", "same")
    answer = "select id, model_id, similarity, rank from {} order by rank"
    assert family.query(answer.format("same")) == family.query(answer.format("exact"))


def test_few_rows_get_no_cells_and_are_searched_exactly(other) -> None:
    prepare(other, {"same": search("query_key=5, k=10, method='index'")}, index="ivf")
    output = build(other, "--full-refresh")
    assert "below 50,000 rows" in (other.root / "logs/dbt.log").read_text()
    assert "it has no index of samespace" in output
    assert facts(other) == {}
    assert agrees(other, "same", 10) == 1.0


def test_empty_and_sample_leave_the_cells_alone(other) -> None:
    prepare(other, {"same": search("query_key=5, k=10")})
    build(other)
    before = facts(other)
    assert before
    build(other, "--empty")
    assert facts(other) == before
    assert other.query("select count(*) from emb") == [(800,)]


def test_a_contract_and_a_changed_schema(other) -> None:
    types = {
        "id": "integer",
        "body": "varchar",
        "part": "integer",
        "model_id": "varchar",
        "content_hash": "varchar",
    }
    columns = "".join(f"      - {{name: {name}, data_type: {kind}}}\n" for name, kind in types.items())
    other.write(
        "models/contract.yml",
        "version: 2\nmodels:\n  - name: emb\n    config: {contract: {enforced: true}}\n    columns:\n"
        + columns + "      - {name: embedding, data_type: 'float[64]'}\n",
    )  # fmt: skip
    build(other, "--full-refresh", "-s", "emb")
    build(other, "-s", "emb")
    assert other.query("describe emb")[-1][:2] == ("__samespace_cell", "INTEGER")
    (other.root / "models/contract.yml").unlink()
    with duckdb.connect(str(other.database)) as connection:
        connection.execute("alter table docs add column more integer")
        connection.execute("insert into docs values (90000, 'parcel late again', 1, 1)")
    prepare(other, {}, on_schema_change="sync_all_columns")
    build(other, "-s", "emb")
    assert other.query("select count(*) from emb where __samespace_cell > 0 and id = 90000 and more = 1") == [
        (1,)
    ]


def test_a_column_of_that_name_is_refused(other) -> None:
    with duckdb.connect(str(other.database)) as connection:
        connection.execute("alter table docs add column __samespace_cell integer")
    outcome = other.dbt("run", "-s", "emb")
    assert "already has a column '__samespace_cell', which samespace adds" in outcome.output


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        ({"type": "ivf", "cells": 0}, "index.cells is 0; expected auto or a whole number from 1 to 32768"),
        ({"type": "ivf", "recall": 2}, "index.recall is 2; expected a number from 0.5 to 0.999"),
        ({"type": "ivf", "m": 3}, "index has no field m; expected type, cells, recall, probes, build"),
        ("auto", 'index is \\"auto\\"; expected hnsw, ivf, none'),
    ],
)
def test_wrong_options_are_named(other, index, sentence) -> None:
    other.write("models/emb.sql", embedding(index))
    assert sentence.replace("\\", "") in other.dbt("run", "-s", "emb").output


def test_texts_are_different() -> None:
    assert len(set(texts(100))) == 100
