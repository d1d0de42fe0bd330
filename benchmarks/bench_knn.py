"""The 10 nearest rows of 1,000 queries each, exact, among 100,000 real vectors: the kernel, faiss, DuckDB.

Two works. *Kernel*: vectors in memory on both sides, against faiss IndexFlatIP (its copy of the rows is not
counted, our preparation of them is). *End to end*: a DuckDB table is read, the answer comes back as Arrow,
against the best SQL for it, a cross join with max_by; that runs for fewer queries and is scaled up, for each
of its queries costs the same. One thread each; imports are not counted.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb
import faiss
import numpy as np
import pyarrow as pa
import torch  # noqa: F401  # imported before anything is timed
from common import corpus
from common.machine import has_bf16
from common.options import options
from common.report import BEST, BF16, DISTINCT, FP32, SAME_PRECISION, Goal, Line, report
from common.timing import Took, interleaved
from numpy.typing import NDArray
from samespace.io.duckdb_kernels import run_kernel
from samespace.kernels._settings import Settings
from samespace.kernels.top_k import top_k

K = 10
HALF, FLOAT = "samespace (bf16 first pass)", "samespace"
FAISS, SQL = "faiss IndexFlatIP", "DuckDB max_by"
Vectors = NDArray[np.float32]


def ours(rows: Vectors, queries: Vectors | None, precision: str) -> pa.RecordBatch:
    return top_k(rows, queries, k=K, settings=Settings.of({"precision": precision, "threads": 1}))


def same_neighbours(found: pa.RecordBatch, scores: Vectors) -> float:
    """Share of our similarities that equal those of faiss to 1e-5."""
    mine = found.column("similarity").to_numpy().reshape(len(scores), K)
    return float((np.abs(mine - scores) < 1e-5).mean())


def database(rows: Vectors, queries: Vectors) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    for name, vectors in (("rows", rows), ("asked", queries)):
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        given = pa.table({"id": pa.array(np.arange(len(vectors))), "embedding": flat})
        connection.register("given", given)
        connection.execute(f"create table {name} as select * from given")
    return connection


def by_kernel(connection: duckdb.DuckDBPyConnection, precision: str) -> int:
    select = "select id as ordinal, id as entity, 'space' as space, embedding, id as priority from "
    request = {
        "macro": "knn", "title": "rows", "select": select + "rows", "queries": select + "asked", "k": K,
        "settings": {"precision": precision, "threads": 1},
    }  # fmt: skip
    return int(run_kernel("knn", json.dumps(request), connection, lambda _: None).num_rows)


def by_sql(connection: duckdb.DuckDBPyConnection, queries: int) -> int:
    found = connection.execute(
        f"select q.id, max_by(r.id, array_inner_product(q.embedding, r.embedding), {K})"
        f" from (select * from asked where id < {queries}) as q, rows as r group by q.id"
    ).fetchall()
    return sum(len(ids) for _, ids in found)


def scaled(took: Took, factor: float) -> Took:
    return Took(took.wall * factor, took.cpu * factor, took.rounds, took.answer)


def lines_of(work: str, took: dict[str, Took], asked: int, few: int) -> list[Line]:
    lines = []
    for name, time in took.items():
        precision = {FLOAT: "fp32, then float64", HALF: "bf16, then float64"}.get(name, "fp32")
        note = f"{asked / time.cpu:,.0f} queries per core-second"
        note += f"; {few} queries, scaled" if "DuckDB" in name else ""
        sections = (BEST, DISTINCT) if name == HALF else (BEST, DISTINCT, SAME_PRECISION)
        lines += [Line(work, name, 1, precision, time.wall, time.cpu, note, part) for part in sections]
    return lines


def goals_of(kernel: str, whole: str) -> list[Goal]:
    goals = []
    for work, peer, least in ((kernel, FAISS, 1.1), (whole, SQL, 33)):
        if has_bf16():
            goals.append(Goal(work, HALF, peer, least, section=BEST, variant=BF16, title=work))
        goals.append(Goal(work, FLOAT, peer, least, section=SAME_PRECISION, variant=FP32, title=work))
    return goals


def main() -> None:
    args = options(__doc__)
    count, asked, few = (10_000, 500, 20) if args.small else (100_000, 1_000, 20)
    rounds = args.rounds or (1 if args.small else 3)
    rows, queries = corpus.vectors(count), corpus.queries(asked)
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    precisions = {FLOAT: "fp32"} | ({HALF: "bf16"} if has_bf16() else {})
    best = HALF if has_bf16() else FLOAT
    runs: dict[str, Callable[[], Any]] = {n: partial(ours, rows, queries, p) for n, p in precisions.items()}
    took = interleaved(runs | {FAISS: lambda: index.search(queries, K)[0]}, rounds=rounds)
    agree = same_neighbours(took[best].answer, took[FAISS].answer)

    connection = database(rows, queries)
    runs = {name: partial(by_kernel, connection, p) for name, p in precisions.items()}
    ended = interleaved(runs, rounds=rounds)
    sql = interleaved({SQL: partial(by_sql, connection, few)}, rounds=1, warm_up=0)
    ended[SQL] = scaled(sql[SQL], asked / few)
    half = count // 2
    runs = {best: partial(ours, rows[:half], None, precisions[best])}
    time = interleaved(runs, rounds=1, warm_up=0)[best]

    kernel, whole = f"kernel, {asked:,} queries x {count:,}", f"end to end, {asked:,} queries x {count:,}"
    lines = lines_of(kernel, took, asked, few) + lines_of(whole, ended, asked, few)
    note = f"{half * half / 1e9 / time.cpu:.2f} G pairs per core-second"
    lines.append(Line(f"every row of {half:,}", best, 1, precisions[best], time.wall, time.cpu, note, BEST))
    facts = {"similarities equal to those of faiss": f"{100 * agree:.2f} %"}
    report(
        "knn", "Nearest neighbours of many queries", lines, baseline=FAISS, goal=goals_of(kernel, whole),
        facts=facts, small=args.small, packages=["faiss-cpu", "duckdb"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
