"""duplicate_pairs and duplicates through dbt: SQL, kernel and brute force agree; no row joins two spaces."""

from __future__ import annotations

import pytest
from harness import DbtProject
from kernel_cases import all_cosines, components, greedy
from points import KEYS, MODELS, TWIN, difference, model, project, vectors
from targets import Target

METHODS = ("sql", "kernel")
ERRORS = {
    "view": ("duplicates(ref('points_int'), key='id', method='kernel')", "Set materialized='table'"),
    "unknown": ("duplicates(ref('points_int'))", "Pass key=<its unique column>"),
    "threshold": ("duplicate_pairs(ref('points_int'), threshold=1.5, key='id')", "a similarity from -1 to 1"),
    "method": (
        "duplicate_pairs(ref('points_int'), method='fast', key='id')",
        "expected one of auto, sql, kernel",
    ),
    "linkage": ("duplicates(ref('points_int'), linkage='single', key='id')", "one of canonical, components"),
    "no_model": ("duplicates(ref('points_int'), threshold={'c': 0.9}, key='id')", "there is no model 'c'"),
    "half_a_mapping": (
        "duplicates(ref('points_int'), threshold={'a': 0.9}, key='id', method='kernel')",
        "but the relation also holds b@",
    ),
    "many_sql": (
        "duplicate_pairs(ref('points_int'), threshold=-1, max_pairs=9, key='id', method='sql')",
        "max_pairs is 9",
    ),
    "many_kernel": (
        "duplicate_pairs(ref('points_int'), threshold=-1, max_pairs=9, key='id', method='kernel')",
        "samespace.duplicate_pairs: 'points_int': at least",
    ),
    "same_key": (
        "duplicates(ref('repeated'), key='id', method='kernel')",
        "a key must be unique per model_id",
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    made = project(tmp_path_factory.mktemp("duplicates"), target, MODELS)
    for method in METHODS:
        for kind, (_, column, _) in KEYS.items():
            given = f"ref('points_{kind}'), key='{column}', method='{method}'"
            model(made, f"pairs_{kind}_{method}", f"duplicate_pairs({given}, threshold=0.8)")
            model(made, f"groups_{kind}_{method}", f"duplicates({given}, threshold=0.8)")
        given = f"ref('points_int'), key='id', method='{method}'"
        model(made, f"chains_{method}", f"duplicates({given}, threshold=0.8, linkage='components')")
        model(made, f"ordered_{method}", f"duplicates({given}, threshold=0.8, order_by='text desc')")
        model(made, f"some_{method}", f"duplicate_pairs({given}, threshold=0.8, where='id < 30')")
        model(made, f"mapped_{method}", f"duplicate_pairs({given}, threshold={{'a': 0.8, 'b': 0.95}})")
    model(made, "groups_auto", "duplicates(ref('points_int'), key='id', threshold=0.8)")
    model(made, "three", "clusters(ref('points_int'), k=3, key='id')")
    model(made, "a_view", "duplicates(ref('points_int'), key='id', threshold=0.8)", "view")
    made.write(
        "models/repeated.sql",
        "{{ config(materialized='table') }}\n"
        + " union all ".join(["select * from {{ ref('points_int') }}"] * 2),
    )
    for name, (call, _) in ERRORS.items():
        model(made, f"errors/bad_{name}", call, "view" if name == "view" else "table")
    done = made.dbt("run", "--exclude", "path:models/errors")
    assert done.ok, done.output
    made.config["built"] = done.output
    return made


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("what", ["pairs", "groups"])
def test_methods_agree(built: DbtProject, what: str, kind: str) -> None:
    assert difference(built, f"{what}_{kind}_sql", f"{what}_{kind}_kernel") == 0
    rows = built.query(f"select count(*) from {what}_{kind}_kernel")
    # Which rows are kept depends on the order of the keys, so only pairs are equally many.
    assert rows == built.query("select count(*) from pairs_int_sql") if what == "pairs" else rows != [(0,)]


@pytest.mark.parametrize("what", ["chains", "ordered", "some", "mapped"])
def test_methods_agree_on_options(built: DbtProject, what: str) -> None:
    assert difference(built, f"{what}_sql", f"{what}_kernel") == 0
    assert built.query(f"select count(*) from {what}_sql") != [(0,)]


@pytest.mark.parametrize("method", METHODS)
def test_pairs_equal_brute_force_in_each_space(built: DbtProject, method: str) -> None:
    matrix = vectors()
    expected = {(i, j): s for (i, j), s in all_cosines(matrix, matrix).items() if i < j and s >= 0.8}
    for name in MODELS:
        found = f"select left_key, right_key, similarity from pairs_int_{method} where model_id like ?"
        rows = built.query(found, [f"{name}@%"])
        assert {(left, right): s for left, right, s in rows} == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("table", "oracle"), [("groups_int", greedy), ("chains", components)])
def test_groups_equal_the_oracle(built: DbtProject, table: str, oracle: object, method: str) -> None:
    head = oracle(vectors(), 0.8)  # type: ignore[operator]
    expected = {row: canonical for row, canonical in head.items() if list(head.values()).count(canonical) > 1}
    for name in MODELS:
        found = f"select key, canonical_key from {table}_{method} where model_id like ?"
        rows = built.query(found, [f"{name}@%"])
        assert dict(rows) == expected


@pytest.mark.parametrize("method", METHODS)
def test_groups_hold_one_space_each(built: DbtProject, method: str) -> None:
    assert built.query(f"""
        select count(*) from (
            select group_id from groups_int_{method} group by group_id having count(distinct model_id) > 1
        ) as mixed
    """) == [(0,)]
    assert built.query(f"""
        select count(*) from groups_int_{method}
        where is_canonical <> (key = canonical_key)
            or min_similarity > similarity_to_canonical or min_similarity < 0.8
    """) == [(0,)]


def test_the_order_decides_which_row_is_kept(built: DbtProject) -> None:
    later = built.query("""
        select count(*) from ordered_kernel as g
        inner join points_int as member on member.id = g.key and member.model_id = g.model_id
        inner join points_int as kept on kept.id = g.canonical_key and kept.model_id = g.model_id
        where member.text > kept.text
    """)
    assert later == [(0,)]


def test_left_out_rows_are_logged(built: DbtProject) -> None:
    # Two models of three such rows; pgvector refuses NaN, so there that row has no vector.
    missing = 2 if built.engine == "duckdb" else 4
    assert f"rows left out: {missing} with no vector (NULL)" in built.config["built"]
    sentence = f"rows left out: {6 - missing} with a vector of NaN, infinity or only zeros"
    assert sentence in built.config["built"]
    assert "rows left out: 6 without a usable vector" in built.config["built"]


def test_a_view_takes_the_sql_method(built: DbtProject) -> None:
    assert difference(built, "a_view", "groups_int_sql") == 0


def test_mistakes_are_sentences(built: DbtProject) -> None:
    done = built.dbt("run", "--select", "path:models/errors")
    assert not done.ok
    for name, (_, sentence) in ERRORS.items():
        assert sentence in done.message(f"bad_{name}"), (name, done.message(f"bad_{name}"))
    assert "Traceback" not in done.output
    for name in ("many_kernel", "same_key"):
        lines = done.message(f"bad_{name}").splitlines()
        # Where the adapter runs the kernel, dbt adds the macros that called it.
        said = [line for line in lines if line.strip() and not line.strip().startswith("> ")]
        assert len([line for line in said if "samespace." in line]) == 1, said
        assert len(said) <= 3, said


@pytest.mark.parametrize("option", [("--empty",), ("--sample", "1 day")])
def test_no_kernel_runs_on_a_part_of_the_rows(built: DbtProject, option: tuple[str, ...]) -> None:
    """`clusters`, kernel only, gives its columns under --empty and a sentence under --sample."""
    columns = "select table_name, column_name, data_type from information_schema.columns where table_name in"
    columns += " ('groups_auto', 'three') order by 1, 2"
    before = built.query(columns)
    done = built.dbt("run", *option, "--select", "groups_auto", "three", "pairs_int_kernel", "points_int")
    sentence = f"no kernel runs under {option[0]}"
    assert f"{sentence}. Use method='auto'" in done.message("pairs_int_kernel")
    built_now = ("OK", "SELECT 0", "SELECT 108")  # as dbt-duckdb and dbt-postgres say it
    assert done.message("groups_auto") in built_now
    assert "Traceback" not in done.output
    if option == ("--empty",):
        assert done.message("three") in built_now, done.output
        rows = built.query("select (select count(*) from three), (select count(*) from groups_auto)")
        assert rows == [(0, 0)]
    else:
        assert f"{sentence}, where it would see a part of the rows" in done.message("three")
    assert built.query(columns) == before
    assert len(before) == 12


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    made = project(tmp_path_factory.mktemp("declared"), target, {**MODELS, **TWIN})
    for method in METHODS:
        given = f"ref('points_int'), key='id', threshold=0.8, method='{method}'"
        model(made, f"pairs_{method}", f"duplicate_pairs({given})")
        model(made, f"groups_{method}", f"duplicates({given})")
    done = made.dbt("run", "--select", "points_int+")
    assert done.ok, done.output
    return made


def test_a_declared_space_joins_and_nothing_else_does(declared: DbtProject) -> None:
    for what in ("pairs", "groups"):
        assert difference(declared, f"{what}_sql", f"{what}_kernel") == 0
    met = {
        (left.split("@")[0], right.split("@")[0])
        for left, right in declared.query("select distinct left_model_id, right_model_id from pairs_kernel")
    }
    assert met == {("a", "a"), ("b", "b"), ("a_twin", "a_twin"), ("a", "a_twin"), ("a_twin", "a")}
    assert declared.query("select count(*) from pairs_kernel where left_key >= right_key") == [(0,)]


def test_a_key_is_not_its_own_duplicate(declared: DbtProject) -> None:
    assert declared.query("""
        select count(*) from (
            select group_id, key from groups_kernel group by group_id, key having count(*) > 1
        ) as repeated
    """) == [(0,)]
