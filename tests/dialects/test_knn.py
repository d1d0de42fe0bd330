"""knn and within_threshold: SQL, kernel and NumPy give the same rows, and never across spaces."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import DIMENSION, FIRST, SECOND, columns, cosine, refusal, sources, store, unit_rows

ROWS, ASKED = unit_rows(90), unit_rows(25, seed=3)
KEYS = [f"key {7 * i % 90:02d}" for i in range(90)]
METHODS = ("sql", "kernel")
CALLS = {
    "knn_self": "knn(rows, k=5, key='id')",
    "knn_asked": "knn(rows, asked, k=4, key='id', queries_key='Asked')",
    "knn_filtered": "knn(rows, asked, k=3, key='id', queries_key='Asked', where=\"label = 'odd'\")",
    "knn_beyond": "knn(few, k=50, key='id')",
    "knn_mixture": "knn(mixture, k=3, key='id')",
    "knn_mixture_asked": "knn(mixture, asked, k=3, key='id', queries_key='Asked')",
    "knn_lookalikes": "knn(lookalikes, k=9, key='id')",
    "knn_holes": "knn(holes, k=9, key='id')",
    "knn_ties": "knn(ties, k=3, key='id')",
    "within_self": "within_threshold(rows, threshold=0.3, key='id')",
    "within_asked": "within_threshold(rows, asked, threshold=0.25, key='id', queries_key='Asked')",
    "within_mixture": "within_threshold(mixture, threshold=0.5, key='id')",
    "within_holes": "within_threshold(holes, threshold=-1, key='id')",
    "within_nothing": "within_threshold(nothing, threshold=0, key='id')",
}
TABLES = ("rows", "asked", "few", "mixture", "lookalikes", "holes", "ties", "nothing")


def rendered(call: str, method: str) -> str:
    name, arguments = call.split("(", 1)
    parts = [f"source('raw', '{part}')" if part in TABLES else part for part in arguments[:-1].split(", ")]
    return (
        "{{ config(materialized='table') }}\n{{ samespace."
        + name
        + f"({', '.join(parts)}, method='{method}') }}}}"
    )


@pytest.fixture(scope="module")
def project(make_project, target):
    project = make_project("knn", on=target)
    store(project, "rows", KEYS, ROWS, [FIRST] * 90, "varchar")
    store(project, "asked", list(range(25)), ASKED, [FIRST] * 25, key="Asked")
    store(project, "few", [1, 2, 3], ROWS[:3], [FIRST] * 3)
    store(
        project, "mixture", [*range(30), *range(30)], [*ROWS[:30], *ROWS[:30]], [FIRST] * 30 + [SECOND] * 30
    )
    strange = [
        None,
        None,
        SECOND,
        "alpha@1111111",
        "alpha@11111111 ",
        "ALPHA@11111111",
        "alpha'@11111111",
        FIRST,
        FIRST,
    ]
    store(project, "lookalikes", list(range(9)), [ROWS[0]] * 9, strange)
    holes = [None, np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.full(DIMENSION, -np.inf), *ROWS[:4]]
    store(project, "holes", list(range(8)), holes, [FIRST] * 8)
    store(project, "ties", list(range(200, 0, -1)), [ROWS[0]] * 200, [FIRST] * 200)
    store(project, "nothing", [], [], [])
    project.write("models/sources.yml", sources(*TABLES))
    for name, call in CALLS.items():
        for method in METHODS:
            project.write(f"models/{name}_{method}.sql", rendered(call, method))
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    project.first_output = outcome.output
    return project


def result(project, name: str, method: str) -> list[tuple]:
    names = "query_key, neighbour_key, similarity, model_id" + (", rank" if name.startswith("knn") else "")
    # Keys are compared with those of Python, which sorts texts by their code points.
    return sorted(project.query(f"select {names} from {name}_{method}"))


@pytest.mark.parametrize("name", CALLS)
def test_kernel_equals_sql(project, name) -> None:
    assert result(project, name, "kernel") == result(project, name, "sql")
    described = [columns(project, f"{name}_{method}") for method in METHODS]
    assert described[0] == described[1]


def brute(queries, query_keys, rows, row_keys, k=None, threshold=None, itself=False):
    """{(query, neighbour): (similarity, rank)} of the k nearest, or of all at or above the threshold."""
    found = {}
    for query_key, similarity in zip(query_keys, cosine(queries, rows), strict=True):
        order = sorted(range(len(row_keys)), key=lambda i, s=similarity: (-s[i], row_keys[i]))
        order = [i for i in order if not (itself and row_keys[i] == query_key)]
        if threshold is not None:
            order = [i for i in order if similarity[i] >= threshold]
        for rank, i in enumerate(order[:k], 1):
            found[query_key, row_keys[i]] = (float(similarity[i]), rank)
    return found


ORACLES = {
    "knn_self": lambda: brute(ROWS, KEYS, ROWS, KEYS, k=5, itself=True),
    "knn_asked": lambda: brute(ASKED, range(25), ROWS, KEYS, k=4),
    "knn_filtered": lambda: brute(ASKED, range(25), ROWS[1::2], KEYS[1::2], k=3),
    "knn_beyond": lambda: brute(ROWS[:3], [1, 2, 3], ROWS[:3], [1, 2, 3], k=50, itself=True),
    "knn_holes": lambda: brute(ROWS[:4], [4, 5, 6, 7], ROWS[:4], [4, 5, 6, 7], k=9, itself=True),
    "knn_ties": lambda: brute(
        [ROWS[0]] * 200, range(1, 201), [ROWS[0]] * 200, list(range(1, 201)), k=3, itself=True
    ),
    "within_self": lambda: brute(ROWS, KEYS, ROWS, KEYS, threshold=0.3, itself=True),
    "within_asked": lambda: brute(ASKED, range(25), ROWS, KEYS, threshold=0.25),
}


@pytest.mark.parametrize("name", ORACLES)
def test_sql_equals_brute_force(project, name) -> None:
    expected = ORACLES[name]()
    rows = {row[:2]: row[2:] for row in result(project, name, "sql")}
    assert set(rows) == set(expected)
    for pair, (similarity, rank) in expected.items():
        assert rows[pair][0] == pytest.approx(similarity, abs=1.1e-6)
        assert name.startswith("within") or rows[pair][2] == rank


@pytest.mark.parametrize("method", METHODS)
def test_no_row_joins_two_spaces(project, method) -> None:
    """Identical vectors of one dimension under two ids, and ids that only look alike."""
    for name in ("knn_mixture", "within_mixture"):
        for model_id in (FIRST, SECOND):
            where = f"model_id = '{model_id}'"
            pairs = {
                row[:2]
                for row in project.query(
                    f"select query_key, neighbour_key from {name}_{method} where {where}"
                )
            }
            options = {"k": 3} if name.startswith("knn") else {"threshold": 0.5}
            assert pairs == set(
                brute(ROWS[:30], range(30), ROWS[:30], list(range(30)), itself=True, **options)
            )
    assert result(project, "knn_lookalikes", method) == [(7, 8, 1.0, FIRST, 1), (8, 7, 1.0, FIRST, 1)]
    assert {row[3] for row in result(project, "knn_mixture_asked", method)} == {FIRST}


def test_rows_left_out_are_logged(project) -> None:
    assert (
        "samespace.knn: 'mixture': rows left out: 30 because of their model_id: beta@22222222 (30)"
        in project.first_output
    )
    assert (
        "samespace.knn: 'lookalikes': rows left out: 2 because of their model_id: no model_id (2)"
        in project.first_output
    )


def test_two_spaces_are_refused(make_project, target) -> None:
    project = make_project("knn_refused", on=target)
    store(project, "rows", [1, 2], ROWS[:2], [FIRST, FIRST])
    store(project, "asked", [1, 2], ROWS[:2], [SECOND, SECOND])
    project.write("models/sources.yml", sources("rows", "asked"))
    both = "samespace.{}(source('raw', 'rows'), source('raw', 'asked'), key='id', queries_key='id'{})"
    project.write("models/by_knn.sql", "{{ " + both.format("knn", "") + " }}")
    project.write(
        "models/by_threshold.sql", "{{ " + both.format("within_threshold", ", threshold=0.5") + " }}"
    )
    project.write("models/bad_k.sql", "{{ " + both.format("knn", ", k=0.5") + " }}")
    project.write(
        "models/bad_threshold.sql",
        "{{ samespace.within_threshold(source('raw', 'rows'), threshold=1.5, key='id') }}",
    )
    project.write(
        "models/too_many.sql",
        "{{ config(materialized='table') }}"
        "{{ samespace.within_threshold(source('raw', 'rows'), threshold=-1, max_pairs=1, "
        "key='id', method='sql') }}",
    )
    outcome = project.dbt("run")
    messages = {r["unique_id"].split(".")[2]: r["message"] for r in outcome.results}
    sentence = (
        "'rows' holds alpha@11111111; 'asked' is beta@22222222. "
        "They are different spaces. Re-embed one side, or pick one model."
    )
    assert f"samespace.knn: {sentence}" in messages["by_knn"]
    assert f"samespace.within_threshold: {sentence}" in messages["by_threshold"]
    assert "samespace.knn: k is 0.5; expected a whole number of at least 1" in messages["bad_k"]
    assert "threshold is 1.5; expected a similarity from -1 to 1" in messages["bad_threshold"]
    assert (
        "samespace.within_threshold: 2 pairs of 'rows' reach the threshold; max_pairs is 1"
        in messages["too_many"]
    )


def test_guard_speaks_in_views_too(make_project, target) -> None:
    project = make_project("knn_views", on=target)
    store(project, "rows", [1, 2], ROWS[:2], [FIRST, FIRST])
    store(project, "asked", [1, 2], ROWS[:2], [FIRST, FIRST])
    project.write("models/sources.yml", sources("rows", "asked"))
    both = (
        "{{ samespace.NAME(source('raw', 'rows'), source('raw', 'asked'), "
        "key='id', queries_key='id', method='sql') }}"
    )
    for name in ("knn", "within_threshold"):
        project.write(
            f"models/by_{name}.sql", "{{ config(materialized='view') }}\n" + both.replace("NAME", name)
        )
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    project.query(f"update asked set model_id = '{SECOND}'")
    for name in ("knn", "within_threshold"):
        sentence = f"samespace.{name}: 'rows' holds alpha@11111111; 'asked' is beta@22222222"
        for sql in ("select * from {}", "select count(*) from {}", "select 1 from {} where query_key = 1"):
            assert sentence in refusal(project, sql.format(f"by_{name}"))


def test_declared_space_carries_both_ids(make_project, target) -> None:
    base = {"provider": "hashing", "model": "char-ngrams", "dimension": 16}
    models = {"one": base, "twin": {**base, "version": "2", "same_space_as": "one"}}
    project = make_project("knn_declared", on=target, models=models)
    for name in models:
        project.write(
            f"models/by_{name}.sql",
            "{{ config(materialized='embedding', model='" + name + "', key='id', text='body') }}\n"
            "select * from (values (1, 'red apple'), (2, 'green apple'), (3, 'blue whale')) as t(id, body)",
        )
    for method in METHODS:
        project.write(
            f"models/near_{method}.sql",
            "{{ config(materialized='table') }}\n{{ samespace.knn(ref('by_one'), "
            "ref('by_twin'), k=1, method='" + method + "') }}",
        )
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    for method in METHODS:
        rows = project.query(
            f"select query_key, neighbour_key, similarity, split_part(model_id, '@', 1), "
            f"split_part(query_model_id, '@', 1) from near_{method} order by 1"
        )
        assert rows == [(i, i, 1.0, "one", "twin") for i in (1, 2, 3)]
