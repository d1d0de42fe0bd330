"""Tables of vectors that samespace did not build, and the NumPy brute force they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
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


def store(
    database: Path,
    table: str,
    keys: Sequence[Any],
    vectors: Sequence[Any],
    model_ids: Sequence[str | None],
    key_type: str = "integer",
    key: str = "id",
    dimension: int = DIMENSION,
) -> None:
    """Create a table of key, label ('even'/'odd' position), model_id and embedding."""
    import duckdb

    # As text: a NaN inside a list parameter would arrive as NULL.
    rows = [
        (
            key_value,
            "odd" if place % 2 else "even",
            model_id,
            None if vector is None else str([float(x) for x in vector]),
        )
        for place, (key_value, model_id, vector) in enumerate(zip(keys, model_ids, vectors, strict=True))
    ]
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            f'create or replace table {table} ("{key}" {key_type}, label varchar, model_id varchar, '
            f"embedding float[{dimension}])"
        )
        if rows:
            connection.executemany(
                f"insert into {table} values (?, ?, ?, cast(? as float[{dimension}]))", rows
            )


SOURCES = """
sources:
  - name: raw
    schema: main
    tables: [{names}]
"""


def sources(*names: str) -> str:
    return SOURCES.format(names=", ".join(f"{{name: {name}}}" for name in names))
