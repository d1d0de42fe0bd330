"""Requests to the kernels on PostgreSQL, the table they read, and the same on DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import databases
import duckdb
import pyarrow as pa
from samespace.io import duckdb_kernels, postgres_kernels

OPTIONS: dict[str, dict[str, Any]] = {
    "knn": {"k": 3},
    "within_threshold": {"threshold": -1.0, "max_pairs": 10**6},
    "duplicate_pairs": {"threshold": -1.0, "max_pairs": 10**6},
    "duplicates": {"threshold": 0.0, "linkage": "components"},
    "clusters": {"k": 1, "seed": 0},
}


def database(name: str) -> dict[str, Any]:
    """A fresh database with pgvector, as an output of profiles.yml."""
    made = databases.create_database(name)
    databases.execute(made, "create extension vector")
    return made


@contextmanager
def session_of(output: dict[str, Any]) -> Iterator[Any]:
    """A session as dbt opens it: no autocommit."""
    with databases.connected(output) as connection:
        connection.autocommit = False
        yield connection


def fields(kernel: str, **changes: Any) -> dict[str, Any]:
    own = {"kernel": kernel, "macro": kernel, "title": "points", "select": "select * from points"}
    return {**own, "queries": None, "state": "'as it was'", "owner": "a", **OPTIONS[kernel], **changes}


def points(connection: Any, vectors: list[Any], spaces: Any = "m@1", kind: str = "real[]") -> None:
    """The table ``points`` in hidden physical order; vectors as PostgreSQL writes them, or NULL."""
    columns = "ordinal bigint, entity bigint, space text, priority bigint, previous bigint"
    with connection.cursor() as cursor:
        cursor.execute(f"drop table if exists points; create table points ({columns}, embedding {kind})")
        cursor.execute(
            f"insert into points select ordinal, ordinal, space, ordinal, null, cast(vector as {kind})"
            " from unnest(%s::text[], %s::text[]) with ordinality as given(vector, space, ordinal)"
            " order by hashint8(ordinal)",
            [[written(row, kind) for row in vectors],
             [spaces] * len(vectors) if isinstance(spaces, str) else spaces],
        )  # fmt: skip
    connection.commit()


def written(vector: Any, kind: str) -> str | None:
    if vector is None or isinstance(vector, str):
        return vector
    listed = ", ".join("null" if x is None else repr(float(x)) for x in vector)
    return f"{{{listed}}}" if kind.endswith("[]") else f"[{listed}]"


def found(connection: Any, kernel: str, log: Any = None, **changes: Any) -> list[tuple[Any, ...]]:
    """The rows of a kernel, read back from its temp table in its order."""
    asked = fields(kernel, **changes)
    table, state = postgres_kernels.run_kernel(kernel, asked, connection, log or (lambda _: None))
    assert state == "as it was"
    with connection.cursor() as cursor:
        cursor.execute(f"select * from {table}")
        rows = cursor.fetchall()
    connection.rollback()
    return rows


def on_duckdb(vectors: list[Any], kernel: str, **changes: Any) -> list[tuple[Any, ...]]:
    """The same request on DuckDB."""
    connection = duckdb.connect(config={"threads": 1})
    given_rows = pa.table(
        {
            "ordinal": pa.array(range(1, len(vectors) + 1), pa.int64()),
            "embedding": pa.array(
                [None if v is None else [None if x is None else float(x) for x in v] for v in vectors],
                pa.list_(pa.float64()),
            ),
        }
    )
    connection.register("given_rows", given_rows)
    connection.execute(
        "create table points as select *, ordinal as entity, 'm@1' as space, ordinal as priority,"
        " cast(null as bigint) as previous from given_rows"
    )
    text = json.dumps(fields(kernel, **changes))
    table = duckdb_kernels.run_kernel(kernel, text, connection, lambda _: None)
    return [tuple(row.values()) for row in table.to_pylist()]
