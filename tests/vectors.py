"""Tables of vectors that samespace did not build, and the NumPy brute force they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import databases
import numpy as np
import pytest
from harness import DbtProject
from numpy.typing import NDArray

DIMENSION = 16
FIRST, SECOND = "alpha@11111111", "beta@22222222"


def unit_rows(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Random directions with a few close ones among them; float32 [count, dimension]."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, dimension))
    rows[1::7] = rows[0::7][: len(rows[1::7])] + generator.normal(scale=0.05, size=rows[1::7].shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cosine(left: Any, right: Any) -> NDArray[np.float64]:
    """All cosine similarities of two float32 matrices in float64, rounded to 6 decimals; [n, m]."""
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    exact = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)[None, :]
    return np.round(np.clip(exact, -1, 1), 6)


def literal(vector: Any) -> str:
    """SQL of a vector that every engine reads: a list there, an array here."""
    numbers = ", ".join(repr(float(number)) for number in vector)
    return f"cast(array[{numbers}] as float[{len(vector)}])"


def as_numbers(vector: Any) -> NDArray[np.float64]:
    """A vector as a driver hands it over (a list, or the text '[1, 2]') in float64."""
    numbers = vector.strip("[]").split(",") if isinstance(vector, str) else vector
    return np.asarray(numbers, dtype=np.float32).astype(np.float64)


def columns(project: DbtProject, table: str) -> list[tuple[str, str]]:
    """Names and types of the columns of a table or view, in their order."""
    return project.query(
        "select column_name, data_type from information_schema.columns "
        "where table_schema = 'main' and table_name = ? order by ordinal_position",
        [table],
    )


def refusal(project: DbtProject, sql: str) -> str:
    """What the database says to a query that it must refuse."""
    import duckdb
    import psycopg2

    with pytest.raises((duckdb.Error, psycopg2.Error)) as caught:
        project.query(sql)
    return str(caught.value)


def storable(project: DbtProject, vector: Any) -> str | None:
    """A vector in its text form; none where there is none, or where pgvector refuses it (NaN, infinity)."""
    if vector is None or (project.engine != "duckdb" and not np.isfinite(vector).all()):
        return None
    # As text: a NaN inside a list parameter would arrive as NULL.
    return str([float(number) for number in vector])


def store(
    project: DbtProject,
    table: str,
    keys: Sequence[Any],
    vectors: Sequence[Any],
    model_ids: Sequence[str | None],
    key_type: str = "integer",
    key: str = "id",
    dimension: int = DIMENSION,
    labels: Sequence[str | None] | None = None,
) -> None:
    """Create a table of key, label ('even'/'odd' position unless given), model_id and embedding."""
    labels = labels if labels is not None else ["odd" if place % 2 else "even" for place in range(len(keys))]
    rows = [
        (key_value, label, model_id, storable(project, vector))
        for key_value, label, model_id, vector in zip(keys, labels, model_ids, vectors, strict=True)
    ]
    vector_type = databases.vector_type(project.output, dimension)
    if project.engine != "duckdb":
        project.query("create extension if not exists vector")
    project.query(f"drop table if exists {table} cascade")
    quoted = '"' + key.replace('"', '""') + '"'
    columns = f"{quoted} {key_type}, label varchar, model_id varchar, embedding {vector_type}"
    project.query(f"create table {table} ({columns})")
    if rows:
        project.insert(f"insert into {table} values (?, ?, ?, cast(? as {vector_type}))", rows)


SOURCES = """
sources:
  - name: raw
    schema: main
    tables: [{names}]
"""


def sources(*names: str) -> str:
    return SOURCES.format(names=", ".join(f"{{name: {name}}}" for name in names))
