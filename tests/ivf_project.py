"""A DuckDB project with an embedding relation in cells, and its exact answers."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import numpy as np
from harness import DbtProject

WORDS = [
    "parcel", "late", "invoice", "refund", "login", "password", "charged", "twice", "cancel", "order", "size",
    "colour", "shipping", "address", "voucher", "expired", "screen", "broken", "battery", "noise", "delivery",
    "courier", "lost", "gift", "card", "account", "locked", "phone", "email", "change", "name", "return",
]  # fmt: skip
ROWS = 3000
SAME = 1000
INDEX = {"type": "ivf", "build": "always"}
TABLE = "{{ config(materialized='table') }}\n"


def texts(count: int, seed: int = 0) -> list[str]:
    """Different short texts out of few words."""
    draw, made = random.Random(seed), {}
    while len(made) < count:
        made[" ".join(draw.choices(WORDS, k=6)) + f" {draw.randrange(10)}"] = None
    return list(made)


def embedding(index: Any, **options: Any) -> str:
    config = {
        "materialized": "embedding",
        "model": "hash64",
        "key": "id",
        "text": "body",
        "index": index,
        **options,
    }
    given = ", ".join(f"{name}={value!r}" for name, value in config.items())
    return "{{ config(" + given + ") }}\nselect * from {{ source('raw', 'docs') }}"


def search(arguments: str, materialized: str = "table") -> str:
    config = f"{{{{ config(materialized='{materialized}') }}}}\n"
    return config + f"{{{{ samespace.search(ref('emb'), {arguments}) }}}}"


SOURCES = """
version: 2
sources:
  - name: raw
    schema: main
    tables:
      - name: docs
"""


def load(project: DbtProject, rows: list[tuple[int, str | None, int]]) -> None:
    """The table of documents: id, body, part."""
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("create or replace table docs (id integer, body varchar, part integer)")
        connection.executemany("insert into docs values (?, ?, ?)", rows)


def documents(count: int = ROWS, seed: int = 0) -> list[tuple[int, str | None, int]]:
    return [(number, text, number % 100) for number, text in enumerate(texts(count, seed))]


def prepare(project: DbtProject, models: dict[str, str], index: Any = None, **options: Any) -> None:
    project.write("models/sources.yml", SOURCES)
    project.write("models/emb.sql", embedding(index or INDEX, **options))
    for name, sql in models.items():
        project.write(f"models/{name}.sql", sql)


def build(project: DbtProject, *arguments: str) -> str:
    """Run, and what dbt printed."""
    outcome = project.dbt("run", *arguments)
    assert outcome.ok, outcome.output
    return outcome.output


def nearest(
    project: DbtProject, key: int, k: int, where: str = "true", model: str | None = None
) -> list[float]:
    """Similarities of the k nearest rows of a row, by NumPy, largest first."""
    ids = f"model_id like '{model}%'" if model else "true"
    rows = project.query(
        f"select id, embedding from emb where embedding is not null and {ids} and (({where}) or id = {key})"
    )
    vectors = np.array([row[1] for row in rows], dtype=np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    own = [row[0] for row in rows].index(key)
    similarity = np.delete(vectors @ vectors[own], own)
    return np.round(np.sort(similarity)[::-1][:k], 6).tolist()


def facts(project: DbtProject) -> dict[str, dict[str, Any]]:
    """What is recorded of the cells, by model_id."""
    names = ["model_id", "cells", "rows", "rows_trained", "appended", "share_10", "share_100", "recall_10"]
    rows = project.query(f"select {', '.join(names)} from samespace.ivf_indexes order by 1")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def compared(project: DbtProject, model: str) -> int:
    """How many rows of the relation the search of a model compares."""
    sql = (project.root / f"target/compiled/scratch/models/{model}.sql").read_text()
    head, _, _ = sql.partition("__samespace_candidates as ")
    return int(project.query(head.rstrip().rstrip(",") + " select count(*) from __samespace_near")[0][0])
