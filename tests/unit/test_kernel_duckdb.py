"""The kernels as DuckDB functions, without dbt: what is read and left out, and that spaces never meet."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import blobs
from samespace.errors import KernelError
from samespace.io import duckdb_kernels
from samespace.io.duckdb_kernels import RESULTS, result_schema, run_kernel
from samespace.kernels import groups, kmeans, pairs, top_k

SCHEMAS = {
    "knn": top_k.TOP_K,
    "within_threshold": pairs.WITHIN,
    "duplicate_pairs": pairs.PAIRS,
    "duplicates": groups.GROUPS,
    "clusters": kmeans.CLUSTERS,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "knn": {"k": 3},
    "within_threshold": {"threshold": -1.0, "max_pairs": 10**6},
    "duplicate_pairs": {"threshold": -1.0, "max_pairs": 10**6},
    "duplicates": {"threshold": 0.0, "linkage": "components"},
    "clusters": {"k": 1, "seed": 0},
}
LINKS = {
    "knn": ("query", "neighbour"),
    "within_threshold": ("query", "neighbour"),
    "duplicate_pairs": ("left_row", "right_row"),
    "duplicates": ("member", "canonical"),
}


def request(kernel: str, table: str = "points", **changes: Any) -> str:
    fields = {"macro": kernel, "title": table, "select": f"select * from {table}", "queries": None}
    return json.dumps({**fields, **OPTIONS[kernel], **changes})


def database(spaces: list[str], entities: list[int] | None = None, kind: str = "float[4]") -> Any:
    """A table of points in hidden physical order, one vector for all spaces."""
    connection = duckdb.connect(config={"threads": 1})
    vector = blobs(1, 4, 1, 0.1)[0]
    size = len(spaces)
    points = pa.table(
        {
            "ordinal": pa.array(range(1, size + 1), pa.int64()),
            "space": pa.array(spaces, pa.string()),
            "entity": pa.array(entities or range(size), pa.int64()),
            "vector": pa.array([vector.tolist()] * size, pa.list_(pa.float32())),
        }
    )
    connection.register("given", points)
    connection.execute(
        f"create table points as select *, cast(vector as {kind}) as embedding, ordinal as priority,"
        " cast(null as bigint) as previous from given order by hash(ordinal)"
    )
    return connection


def call(kernel: str, text: str) -> str:
    """As the dbt package renders it."""
    literal = text.replace("'", "''")
    return (
        "select * from (select unnest(answer.found, recursive := true) from"
        f" (select samespace_{kernel}('{literal}') as answer) as answered where"
        " (case when answer.error is not null then error(answer.error) is null else true end)) as found"
    )


def silent(message: str) -> None:
    del message


@pytest.mark.parametrize("kernel", SCHEMAS)
def test_declared_results_are_those_of_the_kernels(kernel: str) -> None:
    assert result_schema(kernel) == SCHEMAS[kernel]
    assert set(RESULTS) == set(SCHEMAS)


@settings(max_examples=12)
@given(st.lists(st.sampled_from(["m@1", "n@2", "o@3"]), max_size=14), st.sampled_from(sorted(LINKS)))
def test_no_row_joins_two_spaces(spaces: list[str], kernel: str) -> None:
    """The attack: identical vectors in every space, and a threshold that everything reaches."""
    found = run_kernel(kernel, request(kernel), database(spaces), silent)
    left, right = (found.column(name).to_pylist() for name in LINKS[kernel])
    assert all(spaces[a - 1] == spaces[b - 1] for a, b in zip(left, right, strict=True))
    repeated = any(spaces.count(space) > 1 for space in spaces)
    assert bool(found.num_rows) == repeated


@settings(max_examples=12)
@given(
    st.lists(st.sampled_from(["m@1", "n@2"]), min_size=1, max_size=8), st.sampled_from(["m@1", "n@2", "p@4"])
)
def test_queries_of_another_space_find_nothing(spaces: list[str], asked: str) -> None:
    lines: list[str] = []
    connection = database(spaces)
    connection.execute(f"create table asked as select * replace ('{asked}' as space) from points limit 1")
    text = request("knn", queries="select * from asked", k=20)
    found = run_kernel("knn", text, connection, lines.append)
    assert found.num_rows == spaces.count(asked)
    assert bool(lines) == (asked not in spaces)


@pytest.mark.parametrize("kind", ["float[4]", "float[]", "double[4]", "double[]"])
@pytest.mark.parametrize("kernel", SCHEMAS)
def test_function_in_sql(kernel: str, kind: str) -> None:
    connection = database(["m@1"] * 5, kind=kind)
    duckdb_kernels.register(connection)
    sql = call(kernel, request(kernel))
    assert connection.execute(sql).to_arrow_table().schema.names == SCHEMAS[kernel].names
    assert (
        len(connection.execute(sql).fetchall())
        == run_kernel(kernel, request(kernel), connection, silent).num_rows
    )


def test_planning_runs_nothing_and_running_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setitem(duckdb_kernels._RUN, "knn", lambda _: iter(ran.append("knn") or []))
    connection = database(["m@1"] * 3)
    duckdb_kernels.register(connection)
    sql = call("knn", request("knn"))
    connection.execute("explain " + sql)
    connection.execute(f"describe {sql}")
    connection.execute(f"select * from ({sql}) as nothing where false limit 0")
    without_rows = connection.execute(sql.partition(" where ")[0] + " where false) as found")
    assert without_rows.to_arrow_table().schema == SCHEMAS["knn"]
    assert ran == []
    connection.execute(sql)
    assert ran == ["knn"]
    connection.execute(f"with f as ({sql}) select a.* from f as a, f as b where a.rank = 1")
    assert ran == ["knn", "knn"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_pairs": 2}, "samespace.duplicate_pairs: 'points': at least"),
        (
            {"select": "select 1 as nothing"},
            "samespace.duplicate_pairs: 'points': BinderException: Binder Error: Referenced column",
        ),
    ],
)
def test_an_error_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    connection = database(["m@1"] * 5)
    duckdb_kernels.register(connection)
    with pytest.raises(duckdb.InvalidInputException) as raised:
        connection.execute(call("duplicate_pairs", request("duplicate_pairs", **changes)))
    said = str(raised.value)
    assert sentence in said
    assert "Traceback" not in said
    assert "\n" not in said


def test_rows_of_one_key_are_no_pair() -> None:
    connection = database(["m@1"] * 4, entities=[1, 1, 2, 2])
    found = run_kernel("duplicate_pairs", request("duplicate_pairs"), connection, silent)
    assert found.column("left_row").to_pylist() == [1, 1, 2, 2]
    grouped = run_kernel("duplicates", request("duplicates"), connection, silent)
    assert grouped.column("member").to_pylist() == [1, 3]


def test_threshold_by_space() -> None:
    connection = database(["m@1", "m@1", "n@2", "n@2"])
    text = request("duplicate_pairs", threshold={"m@1": 0.5})
    with pytest.raises(
        KernelError, match=r"samespace.duplicate_pairs: 'points': threshold names m@1, .* n@2"
    ):
        run_kernel("duplicate_pairs", text, connection, silent)


def test_unusable_rows_are_counted_and_leave_no_gap() -> None:
    lines: list[str] = []
    connection = database(["m@1"] * 40_000)
    connection.execute("update points set embedding = null where ordinal % 5 = 0")
    connection.execute("update points set embedding = [0, 0, 0, 0] where ordinal = 7")
    connection.execute("update points set embedding = ['nan'::float, 1, 0, 0] where ordinal in (8, 9)")
    connection.execute(
        "update points set embedding = [1, ordinal, 3, 0] where ordinal > 9 and embedding is not null"
    )
    found = run_kernel("clusters", request("clusters"), connection, lines.append)
    kept = [n for n in range(1, 40_001) if n % 5 and n not in (7, 8, 9)]
    assert found.column("member").to_pylist() == kept
    assert lines == [
        "samespace.clusters: 'points': rows left out: 8,000 with no vector (NULL)",
        "samespace.clusters: 'points': rows left out: 3 with a vector of NaN, infinity or only zeros",
    ]


def test_repeated_rows_and_unequal_lengths_are_refused() -> None:
    connection = database(["m@1"] * 3, kind="float[]")
    connection.execute("insert into points select * from points limit 1")
    with pytest.raises(KernelError, match="a key must be unique per model_id"):
        run_kernel("knn", request("knn"), connection, silent)
    connection.execute("delete from points where rowid = 3")
    connection.execute("update points set embedding = [1.0, 2.0] where ordinal = 2")
    with pytest.raises(KernelError, match="vectors of m@1 have different lengths"):
        run_kernel("knn", request("knn"), connection, silent)


def test_nothing_in_nothing_out() -> None:
    for kernel, schema in SCHEMAS.items():
        empty = run_kernel(kernel, request(kernel), database([]), silent)
        assert (empty.num_rows, empty.schema) == (0, schema)
    all_null = database(["m@1"] * 3)
    all_null.execute("update points set embedding = null")
    for kernel in SCHEMAS:
        assert run_kernel(kernel, request(kernel), all_null, silent).num_rows == 0


def test_physical_order_does_not_show() -> None:
    results = []
    for order in ("ordinal", "ordinal desc", "hash(ordinal)"):
        connection = database(["m@1"])
        connection.register("many", pa.table({"x": list(blobs(500, 4, 6, 0.3).tolist())}))
        connection.execute(
            "create or replace table points as select * from (select row_number() over () as ordinal, ordinal"
            " as entity, 'm@1' as space, cast(x as float[4]) as embedding, ordinal as priority,"
            f" cast(null as bigint) as previous from many) as numbered order by {order}"
        )
        results.append(run_kernel("clusters", request("clusters", k=6), connection, silent))
    assert results[0].equals(results[1])
    assert results[0].equals(results[2])
    assert len(np.unique(results[0].column("cluster_id").to_numpy())) == 6
