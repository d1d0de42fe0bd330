"""Relations of hand-made vectors for the dialect tests: several models, missing vectors, awkward keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from databases import vector_type
from harness import HASHING, DbtProject
from kernel_cases import blobs
from numpy.typing import NDArray
from targets import Target
from vectors import storable

DIMENSION = 8
MODELS = {
    "a": {**HASHING, "dimension": DIMENSION},
    "b": {**HASHING, "dimension": DIMENSION, "version": "2"},
}
TWIN = {"a_twin": {**HASHING, "dimension": DIMENSION, "version": "3", "same_space_as": "a"}}
ROWS = 60

# How the key may look: SQL of the key, its column, and the table it is in.
KEYS = {
    "int": ("id", "id", "points_int"),
    "text": ("'k' || id", "id", "points_text"),
    "uuid": ("cast(md5(cast(id as varchar)) as uuid)", "id", "points_uuid"),
    "quoted": ("id", "Order Id", "Order Items"),
}


def vectors() -> NDArray[np.float32]:
    """float32 [60, 8]: blobs with copies, ties, a zero row and a NaN row; row 9 has no vector at all."""
    matrix = blobs(ROWS, DIMENSION, 8, 0.35, seed=5)
    matrix[20:24] = matrix[3]
    matrix[30] = 2 * matrix[4]
    matrix[40] = 0
    matrix[41, 2] = np.nan
    matrix[9] = np.nan
    return matrix


def usable() -> list[int]:
    return [row for row in range(ROWS) if row not in (9, 40, 41)]


def project(folder: Path, target: Target, models: dict[str, dict[str, object]]) -> DbtProject:
    """A project with one table per kind of key, each holding every model with identical vectors."""
    made = DbtProject(folder, models=models, target=target.output(folder))
    kind = vector_type(made.output, DIMENSION)
    if made.engine != "duckdb":
        made.query("create extension if not exists vector")
    made.query(f"create table points (id integer, text varchar, vector {kind})")
    rows = [
        (row, f"word{row % 7} text", None if row == 9 else storable(made, vector))
        for row, vector in enumerate(vectors())
    ]
    made.insert(f"insert into points values (?, ?, cast(? as {kind}))", rows)
    for name, (key, column, table) in KEYS.items():
        selects = "\nunion all\n".join(_rows(key, column, model) for model in models)
        config = f"{{{{ config(materialized='table', alias='{table}') }}}}\n"
        made.write(f"models/points_{name}.sql", config + selects)
    return made


def _rows(key: str, column: str, model: str) -> str:
    # The twin holds some keys of its root and some of its own: they are one space.
    only = " where id between 15 and 35" if model == "a_twin" else ""
    shift = " + 10" if model == "a_twin" and key == "id" else ""
    return (
        f'select {key}{shift} as "{column}", text, vector as embedding,'
        f" '{{{{ samespace.model_id(\"{model}\") }}}}' as model_id from points{only}"
    )


def model(made: DbtProject, name: str, call: str, materialized: str = "table") -> None:
    """Write one model that is nothing but a macro call."""
    made.write(
        f"models/{name}.sql", f"{{{{ config(materialized='{materialized}') }}}}\n{{{{ samespace.{call} }}}}\n"
    )


def difference(made: DbtProject, left: str, right: str) -> int:
    """Number of rows that only one of two tables has."""
    one, other = f'select * from "{left}"', f'select * from "{right}"'
    only = f"({one} except all {other}) union all ({other} except all {one})"
    return int(made.query(f"select count(*) from ({only}) as differing")[0][0])
