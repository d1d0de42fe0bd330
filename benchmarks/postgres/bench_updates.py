"""What updates of other columns cost a table with an HNSW index on PostgreSQL: HOT share and seconds.

    python benchmarks/postgres/bench_updates.py

One table per line: loaded, indexed, vacuumed; then a text column of 1 %, 10 % and 100 % of its rows is
updated, with a vacuum after each. HOT: the row stays on its page and no index is touched. Exact: one exact
search, warm median. Needs the embedded server and psycopg 3. Writes results/updates.md.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from vectors import fresh_server, load, machine

MODEL = "minilm@3f9a2c1b"
CASES = [
    (dimension, rows, fillfactor, storage)
    for dimension, rows in ((384, 20_000), (768, 10_000))
    for storage in ("external", "plain")
    for fillfactor in (100, 90, 75)
]
RESULT = Path(__file__).parents[1] / "results" / "updates.md"
HEAD = [
    "| dimension | rows | fillfactor | storage | table, MB | exact, ms | 1 % | 10 % | 100 % |",
    "|---:|---:|---:|---|---:|---:|---|---|---|",
]


def clustered(rows: int, dimension: int) -> NDArray[np.float32]:
    """Unit vectors around 200 centres."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(200, dimension))
    found = centres[generator.integers(0, 200, rows)] + generator.normal(size=(rows, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def create(
    connection: psycopg.Connection[Any], rows: int, dimension: int, fillfactor: int, storage: str
) -> None:
    connection.execute("drop table if exists t")
    connection.execute(
        "create table t (id integer, label text, model_id text, content_hash text default repeat('0', 64), "
        f"embedding vector({dimension})) with (fillfactor = {fillfactor})"
    )
    connection.execute(f"alter table t alter embedding set storage {storage}")
    load(connection, "t", MODEL, clustered(rows, dimension))
    connection.execute("set maintenance_work_mem = '512MB'")
    connection.execute(
        f"create index on t using hnsw (embedding vector_cosine_ops) where model_id = '{MODEL}'"
    )
    connection.execute("vacuum analyze t")


def exact(connection: psycopg.Connection[Any]) -> float:
    """Milliseconds of one exact search."""
    times = []
    for _ in range(7):
        began = time.perf_counter()
        connection.execute(
            "select id, 1 - (embedding <=> (select embedding from t where id = 5 limit 1)) as similarity "
            "from t order by similarity desc limit 10"
        ).fetchall()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def update(connection: psycopg.Connection[Any], percent: int) -> str:
    """HOT share and seconds of an update of so many percent of the rows."""
    connection.execute("select pg_stat_reset_single_table_counters('t'::regclass)")
    began = time.perf_counter()
    connection.execute(f"update t set label = 'l' || label where id * 7919 % 100 < {percent}")
    seconds = time.perf_counter() - began
    connection.execute("select pg_stat_force_next_flush()")
    time.sleep(0.2)
    done = connection.execute("select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 't'")
    [(updated, hot)] = done.fetchall()
    connection.execute("vacuum t")
    return f"{100 * hot / updated:.0f} % HOT, {seconds:.2f} s"


def main() -> None:
    _, connection = fresh_server()
    lines = []
    for dimension, rows, fillfactor, storage in CASES:
        create(connection, rows, dimension, fillfactor, storage)
        [(size,)] = connection.execute("select pg_table_size('t') / 1000000").fetchall()
        parts = [f"{exact(connection):.1f}", *(update(connection, percent) for percent in (1, 10, 100))]
        lines.append(f"| {dimension} | {rows:,} | {fillfactor} | {storage} | {size} | {' | '.join(parts)} |")
        print(lines[-1], flush=True)
    report = [
        "# Updates of other columns beside an HNSW index", "",
        "Written by `benchmarks/postgres/bench_updates.py`.", machine(connection) + ".", "",
        *HEAD, *lines, "",
        "`external` is pgvector's default; a row of less than 2 kB stays in one piece either way.",
    ]  # fmt: skip
    RESULT.write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
