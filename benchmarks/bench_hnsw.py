"""HNSW on PostgreSQL through samespace: the build of the index and searches by it, against SQL by hand.

    python benchmarks/bench_hnsw.py [--small] [--rounds 200]

Build: samespace's macro (its memory, its workers, a partial index per model) against CREATE INDEX with the
settings that pgvector recommends; CPU seconds are the server's. Search: one query by the bare statement
against samespace.search_by_vector and against the statement that dbt renders for search(), each beside the
bare one with the same hnsw.ef_search; CPU seconds are the backend's. Queries are held-out texts, one after
the other in one session; recall is measured against NumPy.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import Any

import numpy as np
from common import corpus
from common.dbt_project import Project
from common.options import options
from common.postgres import backend_cpu, cpu_seconds, load, server_and_connection, version
from common.report import SAME_PRECISION, Goal, Line, report
from numpy.typing import NDArray
from samespace.demo.server import Server
from searching import ASKED, BUILD, MODEL_ID, NUMBER, record, rendered, searching

K, QUERIES = 10, 500
MACRO, HAND = "samespace's macro", "by hand"
FUNCTION, STATEMENT = "samespace.search_by_vector", "the statement of search()"
INDEX = (
    "create index by_hand on main.docs using hnsw (embedding vector_cosine_ops) "
    f"with (m = 16, ef_construction = 64) where model_id = '{MODEL_ID}'"
)
BARE = (
    f"select id, label, model_id, 1 - (embedding <=> {ASKED}) as similarity from main.docs "
    f"where model_id = '{MODEL_ID}' order by embedding <=> {ASKED} limit {K}"
)
CALL = f"select * from samespace.search_by_vector('main.docs', {ASKED}, '{MODEL_ID}', {K})"
# The effort that search_by_vector and search() give to the index for ten rows.
EFFORTS = {FUNCTION: 40, STATEMENT: 148}
Times = tuple[float, float]


def fill(connection: Any, matrix: NDArray[np.float32], asked: NDArray[np.float32]) -> None:
    connection.execute("create schema main")
    for table, part in (("docs", matrix), ("asked", asked)):
        connection.execute(
            f"create table main.{table} (id integer, label text, model_id text, embedding vector(384))"
        )
        load(connection, f"main.{table}", MODEL_ID, part)
    connection.execute(
        f"insert into main.asked select {NUMBER}, label, model_id, embedding from main.asked where id = 0"
    )
    connection.execute("create unique index on main.asked (id)")
    connection.execute("vacuum analyze main.docs, main.asked")
    record(connection.execute, "postgres", {"docs": len(matrix)}, duckdb=False)


def built_by_macro(server: Server, project: Project) -> Times:
    """The seconds that dbt notes for the macro's statement, and the server's CPU seconds."""
    used = cpu_seconds(server)
    said = project.dbt("--log-level", "debug", "run-operation", "build").output
    found = re.search(r"create index.*?SQL status: DO in ([0-9.]+) seconds", said, re.S)
    if found is None:
        raise SystemExit(f"no index was built:\n{said}")
    return float(found[1]), cpu_seconds(server) - used


def built_by_hand(server: Server, connection: Any) -> Times:
    connection.execute("set maintenance_work_mem = '2GB'")
    began, used = time.perf_counter(), cpu_seconds(server)
    connection.execute(INDEX)
    return time.perf_counter() - began, cpu_seconds(server) - used


def builds(server: Server, connection: Any, project: Project, rounds: int) -> dict[str, Times]:
    """Each in turn; the macro's index is what remains."""
    taken: dict[str, list[Times]] = {HAND: [], MACRO: []}
    for _ in range(rounds):
        drop_indexes(connection)
        taken[HAND].append(built_by_hand(server, connection))
        drop_indexes(connection)
        taken[MACRO].append(built_by_macro(server, project))
    return medians(taken)


def drop_indexes(connection: Any) -> None:
    for (name,) in connection.execute("select indexname from pg_indexes where tablename = 'docs'").fetchall():
        connection.execute(f"drop index main.{name}")


def medians(taken: dict[str, list[Times]]) -> dict[str, Times]:
    return {
        name: (statistics.median(t[0] for t in times), statistics.median(t[1] for t in times))
        for name, times in taken.items()
    }


def bare(effort: int) -> str:
    return f"bare, ef_search {effort}"


def searches(
    connection: Any, ours: dict[str, str], rounds: int
) -> tuple[dict[str, Times], dict[str, list[list[int]]]]:
    """Median wall and CPU seconds of each way, and the ids that it found for each query."""
    ways = {name: (sql, EFFORTS[FUNCTION]) for name, sql in ours.items()}
    ways |= {bare(effort): (BARE, effort) for effort in EFFORTS.values()}
    taken: dict[str, list[Times]] = {name: [] for name in ways}
    found: dict[str, list[list[int]]] = {name: [] for name in ways}
    pid = connection.info.backend_pid
    for number in range(-10, rounds):
        for name, (sql, effort) in ways.items():
            connection.execute(f"set hnsw.ef_search = {effort}")
            statement = sql.replace(str(NUMBER), str(number % QUERIES))
            began, used = time.perf_counter(), backend_cpu(pid)
            rows = connection.execute(statement).fetchall()
            if number >= 0:
                taken[name].append((time.perf_counter() - began, backend_cpu(pid) - used))
                found[name].append([int(row[0]) for row in rows])
    return medians(taken), found


def recall(found: list[list[int]], matrix: NDArray[np.float32], asked: NDArray[np.float32]) -> float:
    similarity = asked[np.arange(len(found)) % QUERIES] @ matrix.T
    best = np.argpartition(-similarity, K, axis=1)[:, :K]
    return float(np.mean([len(set(ids) & set(row)) / K for ids, row in zip(found, best, strict=True)]))


def measured(
    matrix: NDArray[np.float32], asked: NDArray[np.float32], times: tuple[int, int]
) -> tuple[list[Line], dict[str, Any], dict[str, float]]:
    """Lines, facts, and the recall of each way to search."""
    with server_and_connection() as (server, connection):
        fill(connection, matrix, asked)
        project = Project(specs={}, output=server.output("postgres", "main"))
        project.write("macros/build.sql", BUILD)
        built = builds(server, connection, project, times[0])
        project.dbt("--quiet", "run-operation", "samespace.install")
        statement = rendered(server.output("postgres", "main"), {"s": searching()}, run=True)["s"]
        ours = {FUNCTION: CALL, STATEMENT: statement}
        taken, found = searches(connection, ours, times[1])
        facts = {"PostgreSQL": version(connection)}
    recalls = {name: recall(ids, matrix, asked) for name, ids in found.items()}
    rows = f"{len(matrix):,}"
    lines = [
        Line(f"build, {rows}", name, "workers as the server gives", "fp32", *took, section=SAME_PRECISION)
        for name, took in built.items()
    ] + [
        Line(f"search, {rows}", name, 1, "fp32", *took, f"recall {recalls[name]:.4f}", SAME_PRECISION)
        for name, took in taken.items()
    ]
    return lines, facts, recalls


def main() -> None:
    args = options(__doc__)
    rows, times = (5_000, (1, 40)) if args.small else (100_000, (2, 300))
    times = (times[0], args.rounds or times[1])
    lines, facts, recalls = measured(corpus.vectors(rows), corpus.queries(QUERIES), times)
    build, search = f"build, {rows:,}", f"search, {rows:,}"
    goals = [Goal(build, MACRO, HAND, most=1.1, by="wall", section=SAME_PRECISION, title="build of an index")]
    for way, effort in EFFORTS.items():
        title = f"search by index, {way}"
        goals += [
            Goal(search, way, bare(effort), most=1.1, by=by, section=SAME_PRECISION, title=title)
            for by in ("cpu", "wall")
        ]
        lost = recalls[bare(effort)] - recalls[way]
        goals.append(Goal(search, value=lost, most=0.0, unit="recall lost", title=f"recall, {way}"))
    report("hnsw", "HNSW on PostgreSQL", lines, baseline="", goal=goals, facts={
        "rows": rows, "k": K, "builds": times[0], "searches": times[1], **facts,
    }, small=args.small)  # fmt: skip


if __name__ == "__main__":
    main()
