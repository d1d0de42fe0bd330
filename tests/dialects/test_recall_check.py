"""recall_check against NumPy: what the index finds of the exact answer, each model for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import HASHING, DbtProject
from ivf_project import SOURCES, TABLE, documents, embedding
from numpy.typing import NDArray
from targets import DUCKDB, Target
from vectors import as_numbers

ROWS, K = 600, 10
# So few links and cells that an index misses rows.
POOR = {
    "duckdb": {"type": "ivf", "build": "always", "cells": 60, "probes": 1},
    "pgvector": {"type": "hnsw", "build": "always", "m": 2, "ef_construction": 4},
}
USED = {"duckdb": "__samespace_probed", "pgvector": "__samespace_effort"}
NO_INDEX = "has no index of samespace that answers this: every row is compared, and the recall is 1."


def check(relation: str, arguments: str) -> str:
    return TABLE + f"{{{{ samespace.recall_check(ref('{relation}'), {arguments}) }}}}"


FILES = {
    "bare": embedding("none"),
    "of_all": check("emb", f"k={K}, queries={ROWS}"),
    "of_some": check("emb", f"k={K}, queries=50, seed=3, model='second'"),
    "of_few": check("emb", f"k={K}, queries={ROWS}, where='part = 3 -- six rows'"),
    "of_bare": check("bare", f"k={K}, queries=40"),
    "of_view": check("seen", f"k={K}, queries=40"),
    "seen": "{{ config(materialized='view') }}\nselect * from {{ ref('emb') }}",
}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject], target: Target) -> DbtProject:
    made = make_project(
        "recall", on=target, models={"hash64": HASHING, "second": {**HASHING, "version": "2"}}
    )
    made.query("create table docs (id integer, body varchar, part integer)")
    made.insert("insert into docs values (?, ?, ?)", documents(ROWS))
    made.write("models/sources.yml", SOURCES)
    made.write("models/emb.sql", embedding(POOR[made.engine], model=["hash64", "second"]))
    for name, sql in FILES.items():
        made.write(f"models/{name}.sql", sql)
    made.write("tests/enough.sql", f"select * from ({check('emb', 'k=5, queries=20')[len(TABLE):]}) as c "
               "where mean_recall < 0.1")  # fmt: skip
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    made.first_output = outcome.output
    return made


def compiled(project: DbtProject, name: str) -> str:
    return next(project.root.glob(f"target/compiled/scratch/*/{name}.sql")).read_text()


def answers(project: DbtProject, name: str) -> dict[str, tuple[int, int, float, float, float]]:
    rows = project.query(
        f"select model_id, k, queries, mean_recall, p5_recall, share_below_80 from {name} order by 1"
    )
    return {row[0].split("@")[0]: tuple(row[1:]) for row in rows}


def found(project: DbtProject, name: str) -> dict[tuple[str, int], list[float]]:
    """What the index gave to each query of a model: similarities by model and key, largest first."""
    head, _, _ = compiled(project, name).partition("__samespace_wanted as ")
    rows = project.query(
        head.rstrip().rstrip(",") + " select q.model_id, q.key, f.similarity from __samespace_queries as q "
        "inner join __samespace_found as f on f.query = q.query order by 3 desc"
    )
    lists: dict[tuple[str, int], list[float]] = {}
    for model_id, key, similarity in rows:
        lists.setdefault((model_id.split("@")[0], key), []).append(similarity)
    return lists


def similarities(project: DbtProject, model: str) -> tuple[list[int], NDArray[np.float64]]:
    """Keys of a model's rows and all cosines between them, -2 of a row with itself."""
    rows = project.query(f"select id, embedding from emb where model_id like '{model}@%' order by id")
    vectors = np.array([as_numbers(row[1]) for row in rows])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -2)
    return [row[0] for row in rows], cosine


def figures(recalls: Any) -> tuple[float, float, float]:
    each = np.asarray(recalls)
    return float(each.mean()), float(np.percentile(each, 5)), float((each < 0.8).mean())


@pytest.mark.parametrize("model", ["hash64", "second"])
def test_it_is_the_share_of_the_exact_answer_that_the_index_gave(project, model) -> None:
    keys, cosine = similarities(project, model)
    given, recalls = found(project, "of_all"), []
    for place, key in enumerate(keys):
        right = np.sort(cosine[place])[::-1][:K]
        mine = np.array(given[model, key])[:K]
        # No more, and no nearer, than other rows of this model.
        assert np.all(mine <= right + 2e-6)
        recalls.append((mine >= right[-1] - 2e-6).mean() if len(mine) == K else 0)
    k, queries, *measured = answers(project, "of_all")[model]
    assert (k, queries) == (K, ROWS)
    assert measured == pytest.approx(figures(recalls), abs=2e-3)
    assert 0.2 < measured[0] < 1
    assert USED[project.engine] in compiled(project, "of_all")


def test_cells_are_opened_in_the_order_of_their_centroids(project) -> None:
    if project.engine != DUCKDB.name:
        pytest.skip("cells are kept on DuckDB")
    keys, cosine = similarities(project, "hash64")
    rows = project.query(
        "select __samespace_cell, embedding from emb where model_id like 'hash64@%' order by id"
    )
    cells = np.array([row[0] for row in rows])
    vectors = np.array([row[1] for row in rows])
    centroids = dict(
        project.query("select cell, centroid from samespace.ivf_cells_64 where model_id like 'hash64@%'")
    )
    names = np.array(sorted(set(cells.tolist())))
    order = np.argsort(-(vectors @ np.array([centroids[name] for name in names]).T), axis=1, kind="stable")
    sizes = np.array([(cells == name).sum() for name in names])
    recalls = []
    for place in range(len(keys)):
        before = np.cumsum(sizes[order[place]]) - sizes[order[place]]
        read = np.isin(cells, names[order[place]][before < K + 64 + 1])
        least = np.sort(cosine[place])[-K]
        recalls.append(min(K, int((read & (cosine[place] >= least - 1e-6)).sum())) / K)
    assert 0.2 < np.mean(recalls) < 0.99
    assert answers(project, "of_all")["hash64"][2:] == pytest.approx(figures(recalls), abs=5e-3)


def test_no_query_meets_a_row_of_another_model(project) -> None:
    """Both models have the same vectors, so that a row of the other one would be one too many."""
    few = found(project, "of_few")
    assert len(few) == 2 * ROWS // 100
    assert {len(given) for given in few.values()} == {ROWS // 100 - 1}
    assert set(answers(project, "of_all")) == {"hash64", "second"}
    assert set(answers(project, "of_some")) == {"second"}


def test_few_rows_behind_a_filter_are_all_found(project) -> None:
    expected = (K, ROWS // 100, 1.0, 1.0, 0.0)
    assert answers(project, "of_few") == {"hash64": expected, "second": expected}


@pytest.mark.parametrize(("name", "title"), [("of_bare", "bare"), ("of_view", "seen")])
def test_without_an_index_all_is_found_and_it_says_so(project, name, title) -> None:
    assert set(answers(project, name).values()) == {(K, 40, 1.0, 1.0, 0.0)}
    assert f"'{title}' {NO_INDEX}" in project.first_output
    assert f"'emb' {NO_INDEX}" not in project.first_output


def test_a_data_test_asks_the_index_too(project) -> None:
    outcome = project.dbt("test")
    assert outcome.ok, outcome.output
    assert NO_INDEX not in outcome.output
    assert USED[project.engine] in compiled(project, "enough")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("k=0", "k is 0; expected a whole number of at least 1"),
        ("queries='many'", "queries is 'many'; expected a whole number of at least 1"),
        ("where=''", "where is ''; expected a non-empty text, or nothing"),
        ("seed='a'", 'seed is "a"; expected a whole number'),
        ("model='nobody'", "nobody"),
    ],
)
def test_wrong_arguments_are_named(project, arguments, sentence) -> None:
    project.write("models/of_some.sql", check("emb", arguments))
    outcome = project.dbt("run", "-s", "of_some")
    assert not outcome.ok
    assert "samespace.recall_check" in outcome.output
    assert sentence in outcome.output
