"""No output row joins two spaces: arbitrary model_ids through the predicate, look-alikes through every macro.

One dbt run renders the predicate for a graph of models with aliases, towers and twins; hypothesis then feeds
it any two ids. The rows that the macros compare are the same few vectors under every id, so that nothing but
the predicate keeps them apart.
"""

from __future__ import annotations

import duckdb
import pytest
from harness import HASHING, DbtProject
from hypothesis import given, settings
from hypothesis import strategies as st

SPEC = {**HASHING, "dimension": 4}
MODELS = {
    "a": SPEC,
    "a_alias": {**SPEC, "version": "alias", "same_space_as": "a"},
    "a_tower": {**SPEC, "version": "tower", "same_space_as": "a", "verify": False},
    "b": {**SPEC, "version": "b"},
    "b_twin": {**SPEC, "version": "b"},
    "b_alias": {**SPEC, "version": "b alias", "same_space_as": "b"},
    "A": {**SPEC, "version": "case"},
}
ROOTS = {"a_alias": "a", "a_tower": "a", "b_twin": "b", "b_alias": "b"}
LOOKALIKES = [
    "upper({0})",
    "{0} || ' '",
    "' ' || {0}",
    "replace({0}, 'a', 'а')",
    "left({0}, -1)",
    "'''' || {0}",
    "replace({0}, '@', '＠')",
    "{0} || chr(8203)",
    "split_part({0}, '@', 1)",
    "'\"' || {0} || '\"'",
]
STRANGE = ["''", "' '", "'null'", "null", "'it''s@00000000'", "'💥@1'", "'%'", "'_@________'"]
PAIRS = {
    "knn_sql": ("knn(ref('points'), k=50, key='id', method='sql')", "query_key", "neighbour_key"),
    "knn_kernel": ("knn(ref('points'), k=50, key='id', method='kernel')", "query_key", "neighbour_key"),
    "within_sql": (
        "within_threshold(ref('points'), threshold=-1, key='id', method='sql')",
        "query_key",
        "neighbour_key",
    ),
    "within_kernel": (
        "within_threshold(ref('points'), threshold=-1, key='id', method='kernel')",
        "query_key",
        "neighbour_key",
    ),
    "pairs_sql": (
        "duplicate_pairs(ref('points'), threshold=-1, key='id', method='sql')",
        "left_key",
        "right_key",
    ),
    "pairs_kernel": (
        "duplicate_pairs(ref('points'), threshold=-1, key='id', method='kernel')",
        "left_key",
        "right_key",
    ),
    "groups_sql": (
        "duplicates(ref('points'), threshold=0.5, key='id', method='sql')",
        "key",
        "canonical_key",
    ),
    "groups_kernel": (
        "duplicates(ref('points'), threshold=0.5, key='id', method='kernel')",
        "key",
        "canonical_key",
    ),
    "chains": (
        "duplicates(ref('points'), threshold=0.5, linkage='components', key='id')",
        "key",
        "canonical_key",
    ),
}
ASKED = ["a_tower", "b", "A"]
WHOLE = [name for name in PAIRS if name.startswith(("knn", "within", "pairs"))]
TABLE = "{{ config(materialized='table') }}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    made = DbtProject(tmp_path_factory.mktemp("same_space"), models=MODELS)
    names = "\nunion all\n".join(
        f"select '{name}' as name, '{{{{ samespace.model_id('{name}') }}}}' as model_id" for name in MODELS
    )
    made.write("models/declared.sql", TABLE + names)
    others = [f"select {pattern.format('model_id')} from {{{{ ref('declared') }}}}" for pattern in LOOKALIKES]
    others += [f"select {literal}" for literal in STRANGE]
    made.write(
        "models/points.sql",
        TABLE
        + (
            "with ids as (select model_id from {{ ref('declared') }} union " + " union ".join(others) + ")\n"
            "select 'k' || row_number() over (order by model_id nulls first, n) as id, model_id, v as "
            "embedding\n"
            "from ids cross join (values (1, [1, 0, 0, 0]::float[4]), (2, [0.8, 0.6, 0, 0]::float[4]),\n"
            "    (3, null), (4, [0, 0, 0, 0]::float[4])) as vectors(n, v)\n"
        ),
    )
    made.write(
        "models/predicate.sql",
        TABLE
        + (
            "select {{ samespace.string_literal('select ' ~ samespace.same_space('$l', '$r') ~ ', '"
            " ~ samespace.space_of('$l')) }} as query"
        ),
    )
    for name, (call, *_) in PAIRS.items():
        made.write(f"models/{name}.sql", TABLE + "{{ samespace." + call + " }}")
    made.write("models/grouped.sql", TABLE + "{{ samespace.clusters(ref('points'), k=1, key='id') }}")
    for name in ASKED:
        made.write(
            f"models/found_{name}.sql",
            TABLE
            + (
                "{{ samespace.search(ref('points'), query_vector='[1, 0, 0, 0]', "
                f"query_model='{name}', k=500, key='id') }}}}"
            ),
        )
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    return made


@pytest.fixture(scope="module")
def ids(project: DbtProject) -> dict[str, str]:
    """model_id of each declared model."""
    return dict(project.query("select name, model_id from declared"))


def space(model_id: str | None, ids: dict[str, str]) -> str | None:
    """The root's name for a declared model's id; the id itself for any other. Written without our macros."""
    names = {declared: name for name, declared in ids.items()}
    if model_id not in names:
        return f"itself: {model_id}" if model_id is not None else None
    return ROOTS.get(names[model_id], names[model_id])


@pytest.mark.slow
def test_twins_share_their_fingerprint(ids: dict[str, str]) -> None:
    digests = {name: model_id.split("@")[1] for name, model_id in ids.items()}
    assert digests["b"] == digests["b_twin"]
    assert len(set(digests.values())) == len(MODELS) - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_no_pair_joins_two_spaces(project: DbtProject, ids: dict[str, str], name: str) -> None:
    _, left, right = PAIRS[name]
    rows = project.query(
        f"select l.id, l.model_id, r.id, r.model_id from {name} as o "
        f"join points as l on l.id = o.{left} join points as r on r.id = o.{right}"
    )
    assert len(rows) == project.query(f"select count(*) from {name}")[0][0]
    for _, left_model, _, right_model in rows:
        assert left_model is not None
        assert right_model is not None
        assert space(left_model, ids) == space(right_model, ids), (left_model, right_model)
    shown = [
        column
        for (column,) in project.query(
            "select column_name from duckdb_columns() where table_name = ? and column_name like '%model_id'",
            [name],
        )
    ]
    side = {
        "query_model_id": left,
        "left_model_id": left,
        "right_model_id": right,
        "model_id": left if left == "key" else right,
    }
    for column in shown:
        wrong = project.query(
            f"select count(*) from {name} as o join points as p on p.id = o.{side[column]} "
            f"where o.{column} is distinct from p.model_id"
        )
        assert wrong == [(0,)], column
    if name in WHOLE:
        assert {(row[0], row[2]) for row in rows} == pairs(project, ids, ordered=name.startswith("pairs"))


def pairs(project: DbtProject, ids: dict[str, str], ordered: bool) -> set[tuple[str, str]]:
    """Every pair of comparable rows of one space."""
    points = [
        (key, space(model_id, ids))
        for key, model_id in project.query(
            "select id, model_id from points where embedding[1] > 0 and model_id is not null"
        )
    ]
    return {
        (left, right)
        for left, left_space in points
        for right, right_space in points
        if left_space == right_space and (left < right if ordered else left != right)
    }


@pytest.mark.slow
def test_no_cluster_joins_two_spaces(project: DbtProject, ids: dict[str, str]) -> None:
    rows = project.query(
        "select g.key, g.model_id, p.model_id from grouped as g join points as p on p.id = g.key"
    )
    assert rows
    assert all(shown == own for _, shown, own in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_no_search_leaves_its_space(project: DbtProject, ids: dict[str, str], name: str) -> None:
    points = project.query("select id, model_id from points where embedding[1] > 0")
    expected = {key for key, model_id in points if space(model_id, ids) == ROOTS.get(name, name)}
    assert {key for (key,) in project.query(f"select id from found_{name}")} == expected


@pytest.fixture(scope="module")
def predicate(project: DbtProject) -> tuple[duckdb.DuckDBPyConnection, str]:
    """A connection, and the rendered SQL of (same_space($l, $r), space_of($l))."""
    return duckdb.connect(), project.query("select query from predicate")[0][0]


@pytest.mark.slow
@settings(max_examples=300)
@given(data=st.data())
def test_any_two_ids(predicate, ids: dict[str, str], data: st.DataObject) -> None:
    known = st.sampled_from(sorted(ids.values()))
    changed = st.builds(
        lambda text, at, by: text[: at % (len(text) + 1)] + by + text[at % (len(text) + 1) :],
        known,
        st.integers(0, 50),
        st.text(max_size=2),
    )
    # DuckDB takes no lone surrogates.
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    one = st.none() | known | known.map(str.upper) | changed | anything
    left, right = data.draw(one), data.draw(one)
    connection, sql = predicate
    same, root = connection.execute(sql, {"l": left, "r": right}).fetchall()[0]
    if left is None or right is None:
        assert not same
    else:
        assert same == (space(left, ids) == space(right, ids))
    assert (root is None) == (left is None)
    mirrored = connection.execute(sql, {"l": right, "r": left}).fetchall()[0][0]
    assert bool(mirrored) == bool(same)
