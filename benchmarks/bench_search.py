"""One exact search: what samespace renders against the SQL that one writes by hand.

    python benchmarks/bench_search.py [--small] [--rounds 7]

DuckDB in two files, as DuckDB writes it and with vectors stored uncompressed; PostgreSQL without an index.
Statements are those that dbt renders, run by one connection on one thread: CPU seconds of this process, of
the backend on PostgreSQL. Data is in memory after a first round.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from common import corpus
from common.options import options
from common.postgres import backend_cpu, load, server_and_connection, version
from common.report import FP32, SAME_PRECISION, Goal, Line, report
from common.timing import interleaved
from numpy.typing import NDArray
from searching import ASKED, MODEL_ID, NUMBER, record, rendered, searching

OURS, OURS_PLAIN = "samespace.search", "samespace.search, stored uncompressed"
HAND, HAND_PLAIN = "by hand", "by hand, stored uncompressed"
COLUMNS = "id, label, model_id"
Statements = dict[str, Callable[[], Any]]


def duckdb_file(folder: Path, name: str, matrix: NDArray[np.float32], plain: bool) -> Path:
    file = folder / f"{name}.duckdb"
    rows, dimension = matrix.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), dimension)
    given = pa.table({"id": np.arange(rows), "vector": vectors})
    with duckdb.connect(str(file)) as connection:
        if plain:
            connection.execute("pragma force_compression = 'uncompressed'")
        connection.register("given", given)
        connection.execute(
            "create table docs as select id::integer as id, "
            "'note number ' || id || repeat(' and more', 20) as label, "
            f"'{MODEL_ID}' as model_id, vector::float[{dimension}] as embedding from given"
        )
        connection.execute(
            "create table asked as from docs where id < 50 "
            f"union all select {NUMBER}, * exclude (id) from docs where id = 0"
        )
        record(connection.execute, name, {"docs": rows}, duckdb=True)
    return file


def on_duckdb(matrix: NDArray[np.float32], rounds: int) -> tuple[list[Line], dict[str, Any]]:
    lines, facts = [], {}
    with tempfile.TemporaryDirectory(prefix="samespace-bench-") as folder:
        ways: Statements = {}
        for name, plain in (("packed", False), ("plain", True)):
            file = duckdb_file(Path(folder), name, matrix, plain)
            facts[f"file, {len(matrix):,} rows, {name}"] = f"{file.stat().st_size / 1e6:.0f} MB"
            ours = rendered({"type": "duckdb", "path": str(file), "schema": "main"}, {"s": searching()})["s"]
            hand = (
                f"select {COLUMNS} from main.docs order by array_cosine_distance(embedding, {ASKED}) limit 10"
            )
            connection = duckdb.connect(str(file), read_only=True, config={"threads": 1})
            for contender, sql in (
                (OURS_PLAIN if plain else OURS, ours),
                (HAND_PLAIN if plain else HAND, hand),
            ):
                ways[contender] = answering(connection.execute, sql)
        taken = interleaved(ways, rounds=rounds, warm_up=2)
        answers = {tuple(took.answer) for took in taken.values()}
        facts[f"answers at {len(matrix):,} rows, DuckDB"] = "the same" if len(answers) == 1 else "differ"
        work = f"search, duckdb, {len(matrix):,}"
        lines = [
            Line(work, name, 1, "fp32", took.wall, took.cpu, section=SAME_PRECISION)
            for name, took in taken.items()
        ]
    return lines, facts


def answering(execute: Callable[[str], Any], sql: str) -> Callable[[], list[int]]:
    """Asks for row 7 and gives the ids found."""
    return lambda: [row[0] for row in execute(sql.replace(str(NUMBER), "7")).fetchall()]


def on_postgres(matrix: NDArray[np.float32], rounds: int) -> tuple[list[Line], dict[str, Any]]:
    with server_and_connection() as (server, connection):
        connection.execute("create schema main")
        for table, part in (("docs", matrix), ("asked", matrix[:50])):
            connection.execute(
                f"create table main.{table} (id integer, label text, model_id text, embedding vector(384))"
            )
            load(connection, f"main.{table}", MODEL_ID, part)
            connection.execute(f"vacuum analyze main.{table}")
        record(connection.execute, "postgres", {"docs": len(matrix)}, duckdb=False)
        ours = rendered(server.output("postgres", "main"), {"s": searching()})["s"]
        hand = f"select {COLUMNS} from main.docs order by embedding <=> {ASKED} limit 10"
        connection.execute("set max_parallel_workers_per_gather = 0")
        found = measured(connection, {OURS: ours, HAND: hand}, rounds)
        facts = {"PostgreSQL": version(connection)}
    work = f"search, pgvector, {len(matrix):,}"
    return [
        Line(work, name, 1, "fp32", *times, section=SAME_PRECISION) for name, times in found.items()
    ], facts


def measured(connection: Any, ways: dict[str, str], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU seconds (the backend's) of each statement, in turn, each round another query."""
    pid = connection.info.backend_pid
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(-2, rounds):
        for name, sql in ways.items():
            began, used = time.perf_counter(), backend_cpu(pid)
            connection.execute(sql.replace(str(NUMBER), str(number % 50))).fetchall()
            if number >= 0:
                taken[name].append((time.perf_counter() - began, backend_cpu(pid) - used))
    return {
        name: (statistics.median(t[0] for t in times), statistics.median(t[1] for t in times))
        for name, times in taken.items()
    }


def main() -> None:
    args = options(__doc__)
    sizes = [10_000] if args.small else [10_000, 100_000, 1_000_000]
    lines: list[Line] = []
    facts: dict[str, Any] = {}
    goals = []
    for rows in sizes:
        matrix = corpus.grown(rows, min(rows, corpus.cached()))
        for measure in (on_duckdb, on_postgres):
            found, stated = measure(matrix, args.rounds or 7)
            lines += found
            facts.update(stated)
        if rows == 100_000 or args.small:
            duck, postgres = f"search, duckdb, {rows:,}", f"search, pgvector, {rows:,}"
            goals = [
                Goal(duck, OURS, HAND, least=1.1, by="cpu", section=SAME_PRECISION, variant=FP32,
                     title="search, DuckDB's own file"),
                Goal(duck, OURS_PLAIN, HAND, least=2.5, by="cpu", section=SAME_PRECISION, variant=FP32,
                     title="search, DuckDB uncompressed"),
                Goal(postgres, OURS, HAND, most=1.05, by="cpu", section=SAME_PRECISION, variant=FP32,
                     title="search, pgvector exact"),
            ]  # fmt: skip
    report("search", "One exact search", lines, baseline=HAND, goal=goals, facts=facts, small=args.small)


if __name__ == "__main__":
    main()
