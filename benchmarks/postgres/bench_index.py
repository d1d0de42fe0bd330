"""Exact search against a search by HNSW index on PostgreSQL: latency by rows, recall, and the plans.

    python benchmarks/postgres/bench_index.py

The statements are those that dbt renders for samespace.search and samespace.knn; only the query's number
in them is replaced. Interleaved, warm, medians. Needs the labelled data, MiniLM, the embedded server and
psycopg 3. Writes results/index.md.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from vectors import BUILD, Project, fresh_server, load, machine, more_of, real_vectors

REPO = Path(__file__).parents[2]
MODEL = "minilm@3f9a2c1b"
ASKED = 100
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
NUMBER = 424242
SOURCE = "source('raw', 'docs')"
VECTOR = (
    f"query_vector='(select embedding from main.asked where id = {NUMBER})', query_model='{MODEL}', key='id'"
)
MODELS = {
    "index": f"search({SOURCE}, {VECTOR})",
    "exact": f"search({SOURCE}, {VECTOR}, method='exact')",
    "index_100": f"search({SOURCE}, {VECTOR}, k=100)",
    "exact_100": f"search({SOURCE}, {VECTOR}, k=100, method='exact')",
    "index_tenth": f"search({SOURCE}, {VECTOR}, where=\"label = 'tenth'\")",
    "exact_tenth": f"search({SOURCE}, {VECTOR}, where=\"label = 'tenth'\", method='exact')",
    "index_rare": f"search({SOURCE}, {VECTOR}, where=\"label = 'rare1'\")",
    "exact_rare": f"search({SOURCE}, {VECTOR}, where=\"label = 'rare1'\", method='exact')",
    "by_key": f"search({SOURCE}, query_key={NUMBER}, key='id')",
    "knn": f"knn({SOURCE}, source('raw', 'asked'), k=10, method='index', key='id', queries_key='id')",
}
Connection = psycopg.Connection[Any]


def statements(output: dict[str, Any]) -> dict[str, str]:
    """The SQL of each model, as dbt runs it."""
    project = Project(specs={}, output=output)
    project.sources("docs", "asked")
    project.write("macros/build.sql", BUILD)
    for name, call in MODELS.items():
        project.model(name, "{{ samespace." + call + " }}", materialized="table")
    project.dbt("--quiet", "run-operation", "build")
    project.dbt("--quiet", "run")
    return {name: project.compiled(name) for name in MODELS}


def create(connection: Connection, matrix: NDArray[np.float32], table: str = "docs") -> None:
    connection.execute(f"drop table if exists main.{table}")
    connection.execute(
        f"create table main.{table} (id integer, label text, model_id text, "
        "content_hash text default repeat('0', 64), embedding vector(384)) with (fillfactor = 75)"
    )
    load(connection, f"main.{table}", MODEL, matrix)
    connection.execute(f"vacuum analyze main.{table}")


def index(connection: Connection) -> float:
    """Seconds that the index takes, built as samespace.vector_index builds it."""
    connection.execute("set maintenance_work_mem = '1GB'")
    began = time.perf_counter()
    connection.execute(
        f"create index samespace_bench on main.docs using hnsw (embedding vector_cosine_ops) "
        f"with (m = 16, ef_construction = 64) where model_id = '{MODEL}'"
    )
    return time.perf_counter() - began


def ask(connection: Connection, sql: str, number: int) -> tuple[list[Any], float]:
    """Ids of the answer, and milliseconds."""
    statement = sql.replace(str(NUMBER), str(number))
    began = time.perf_counter()
    rows = connection.execute(statement).fetchall()
    return [row[0] for row in rows], (time.perf_counter() - began) * 1000


def used(connection: Connection, sql: str, number: int = 0) -> str:
    plan = connection.execute("explain " + sql.replace(str(NUMBER), str(number))).fetchall()
    return "yes" if any("Index Scan using samespace" in row[0] for row in plan) else "no"


def latency(connection: Connection, sql: dict[str, str], matrix: NDArray[np.float32]) -> list[str]:
    lines = [
        "| rows | exact, ms | index, ms | exact / index | planner takes the index | build, s |",
        "|---:|---:|---:|---:|---|---:|",
    ]
    for size in SIZES:
        create(connection, matrix[:size])
        seconds = index(connection)
        times: dict[str, list[float]] = {"exact": [], "index": []}
        for number in range(-2, 15):
            for way, taken in times.items():
                milliseconds = ask(connection, sql[way], max(number, 0))[1]
                if number >= 0:
                    taken.append(milliseconds)
        exact, by_index = median(times["exact"]), median(times["index"])
        lines.append(
            f"| {size:,} | {exact:.1f} | {by_index:.1f} | {exact / by_index:.1f} "
            f"| {used(connection, sql['index'])} | {seconds:.1f} |"
        )
        print(lines[-1], flush=True)
    return lines


def recall(connection: Connection, sql: dict[str, str]) -> list[str]:
    lines = [
        "| search | k | recall@k | least of 100 queries | exact, ms | index, ms | planner takes the index |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    names = {
        "index": "as it is",
        "index_100": "k = 100",
        "index_tenth": "where keeps 10 %",
        "index_rare": "where keeps 1 %",
    }
    for way, words in names.items():
        shares, taken, exact_taken = [], [], []
        for number in range(ASKED):
            best, exact_time = ask(connection, sql[way.replace("index", "exact")], number)
            found, time_taken = ask(connection, sql[way], number)
            shares.append(len(set(found) & set(best)) / len(best))
            taken.append(time_taken)
            exact_taken.append(exact_time)
        k = 100 if way == "index_100" else 10
        lines.append(
            f"| {words} | {k} | {np.mean(shares):.4f} | {min(shares):.2f} | {median(exact_taken):.1f} "
            f"| {median(taken):.1f} | {used(connection, sql[way])} |"
        )
    for effort in (40, 80, 148):
        connection.execute(f"set hnsw.ef_search = {effort}")
        bare = (
            f"select id from main.docs where model_id = '{MODEL}' "
            f"order by embedding <=> (select embedding from main.asked where id = {NUMBER}) limit 10"
        )
        shares = []
        for number in range(ASKED):
            best = ask(connection, sql["exact"], number)[0]
            shares.append(len(set(ask(connection, bare, number)[0]) & set(best)) / 10)
        lines.append(
            f"| the index alone, ef_search {effort} | 10 | {np.mean(shares):.4f} | {min(shares):.2f} "
            f"| | | {used(connection, bare)} |"
        )
    connection.execute("reset hnsw.ef_search")
    return lines


def plans(connection: Connection, sql: dict[str, str]) -> list[str]:
    """The part of each plan that reads the relation by its index."""
    lines = []
    for name in ("index", "by_key", "knn"):
        rows = [
            row[0]
            for row in connection.execute(
                "explain (costs off) " + sql[name].replace(str(NUMBER), "7")
            ).fetchall()
        ]
        place = next((i for i, row in enumerate(rows) if "Index Scan using samespace" in row), 0)
        part = rows[max(place - 7, 0) : place + 3]
        margin = min(len(row) - len(row.lstrip()) for row in part)
        lines += [
            f"`{MODELS[name].replace(str(NUMBER), '7')}`",
            "",
            "```",
            *[row[margin:] for row in part],
            "```",
            "",
        ]
    return lines


def main() -> None:
    real = real_vectors()
    asked, kept = real[:ASKED], real[ASKED:]
    server, connection = fresh_server()
    connection.execute("create schema main")
    create(connection, asked, "asked")
    create(connection, kept[:20_000])
    for table in ("asked", "docs"):
        connection.execute(
            f"insert into main.{table} select {NUMBER}, label, model_id, content_hash, embedding "
            f"from main.{table} where id = 0"
        )
    sql = statements(server.output("postgres", "main"))
    sql = {name: re.sub(r'"postgres"\.', "", text) for name, text in sql.items()}
    by_rows = latency(connection, sql, more_of(kept, max(SIZES)))
    create(connection, kept)
    index(connection)
    report = [
        "# Search by index on PostgreSQL", "",
        "Written by `benchmarks/postgres/bench_index.py`.", machine(connection) + ".",
        f"Vectors of {len(kept):,} texts by all-MiniLM-L6-v2 (384 numbers); beyond that, noisy copies.",
        f"Queries: {ASKED} other texts. A search is the whole statement that dbt runs: guard, candidates,",
        "exact ranking.", "",
        "## Latency of one search, k = 10", "", *by_rows, "",
        f"## Recall against exact search, {len(kept):,} real embeddings", "", *recall(connection, sql), "",
        "## Plans (the part that reads the relation)", "", *plans(connection, sql),
    ]  # fmt: skip
    (REPO / "benchmarks" / "results" / "index.md").write_text("\n".join(report).rstrip() + "\n")
    print("\n".join(report))


if __name__ == "__main__":
    main()
