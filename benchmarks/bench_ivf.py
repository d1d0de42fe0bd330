"""Search by cells on DuckDB: recall and latency against exact search, build time against HNSW of vss.

dbt makes the cells, and the SQL of a search is the one that dbt ran. Queries are held-out vectors out of a
table, for every contender, so that none has to parse 384 numbers. One thread, the same file, fp32; a file as
DuckDB writes it, and one without compression.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import duckdb
import numpy as np
import pyarrow as pa
from common import corpus
from common.dbt_project import Project
from common.options import options
from common.report import Goal, Line, report
from common.timing import cpu_seconds, interleaved
from numpy.typing import NDArray
from searching import ASKED, NUMBER

Vectors = NDArray[np.float32]
FILES = {"default file": "auto", "file without compression": "uncompressed"}
WHERE = {"every row": None, "where keeps 10 %": "part % 10 = 3", "where keeps 1 %": "part = 3"}
QUERIES = 1_000
RAW = "select id, body, part from {{ source('raw', 'docs') }}"


def prepare(rows: int, compression: str, index: Any) -> Project:
    """A project whose cache holds the vectors of ``rows`` texts, and whose relation ``emb`` is built."""
    project = Project()
    project.output = {
        "type": "duckdb", "path": str(project.database), "schema": "main",
        "plugins": [{"module": "samespace.duckdb_plugin"}],
        "settings": {"force_compression": compression, "threads": 1},
    }  # fmt: skip
    project.configure()
    project.sources("docs")
    project.model("emb", RAW, materialized="embedding", model="minilm", key="id", text="body", index=index)
    for name, where in WHERE.items():
        for method in ("exact", "index"):
            chosen = "" if where is None else f', where="{where}"'
            call = f'query_vector="{ASKED}", query_model="minilm", method="{method}"{chosen}'
            sql = f"{{{{ samespace.search(ref('emb'), {call}) }}}}"
            project.model(model_name(name, method), sql, materialized="table")
    _load(project, corpus.texts(min(rows, 50)))
    project.dbt("run", "-s", "emb")
    _load(project, corpus.texts(rows))
    _fill_cache(project, corpus.texts(rows), corpus.vectors(rows))
    _load_queries(project)
    return project


def model_name(work: str, method: str) -> str:
    return f"{method}_{list(WHERE).index(work)}"


def _load(project: Project, texts: Any) -> None:
    with duckdb.connect(str(project.database)) as connection:
        rows = {"id": pa.array(range(len(texts))), "body": pa.array(list(texts))}
        connection.register("rows", pa.table(rows))
        connection.execute("create or replace table docs as select *, (id * 7919) % 100 as part from rows")


def _load_queries(project: Project) -> None:
    with duckdb.connect(str(project.database)) as connection:
        flat = pa.array(np.asarray(corpus.queries(QUERIES), dtype=np.float32).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(flat, corpus.DIMENSION)
        connection.register("queries", pa.table({"id": pa.array(range(QUERIES)), "v": vectors}))
        connection.execute(
            f"create table asked as select id, v::float[{corpus.DIMENSION}] as embedding from queries "
            f"union all select {NUMBER}, v from queries where id = 0"
        )


def _fill_cache(project: Project, texts: Any, vectors: Vectors) -> None:
    with duckdb.connect(str(project.database)) as connection:
        cache = connection.execute(
            "select table_name from duckdb_tables() where table_name like 'embedding_cache%'"
        ).fetchall()[0][0]
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
        rows = {"body": pa.array(list(texts)), "v": pa.FixedSizeListArray.from_arrays(flat, corpus.DIMENSION)}
        connection.register("rows", pa.table(rows))
        connection.execute(
            f"insert into samespace.{cache} (role, content_hash, embedding, created_at) "
            "select 'document', sha256(body), v, now() at time zone 'utc' from rows "
            f"where sha256(body) not in (select content_hash from samespace.{cache})"
        )


def facts(project: Project) -> dict[str, Any]:
    """What the build recorded of its cells."""
    with duckdb.connect(str(project.database), read_only=True) as connection:
        cursor = connection.execute("select * from samespace.ivf_indexes")
        return dict(zip([column[0] for column in cursor.description], cursor.fetchone() or (), strict=False))


class Searching:
    """The SQL of the searches as dbt ran it, with another query each time."""

    def __init__(self, project: Project) -> None:
        self._connection = duckdb.connect(str(project.database), read_only=True)
        self._connection.execute("set threads = 1")
        self._sql: dict[tuple[str, str], str] = {}
        for work in WHERE:
            for method in ("exact", "index"):
                self._sql[work, method] = project.compiled(model_name(work, method))

    def ids(self, work: str, method: str, query: int) -> list[int]:
        return self._found(self._sql[work, method], query)

    def bare(self, work: str, query: int) -> list[int]:
        """What one would write by hand."""
        where = WHERE[work] or "true"
        distance = f"array_cosine_distance(embedding, {ASKED})"
        return self._found(f"from emb where {where} order by {distance} limit 10", query)

    def _found(self, sql: str, query: int) -> list[int]:
        sql = sql.replace(str(NUMBER), str(query))
        return [row[0] for row in self._connection.execute(f"select id from ({sql})").fetchall()]

    def close(self) -> None:
        self._connection.close()


def recalls(searching: Searching, work: str, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Per query the share of its 10 nearest rows that the index finds."""
    found = [set(searching.ids(work, "index", query)) for query in range(len(truth))]
    return np.array([len(mine & set(right.tolist())) / 10 for mine, right in zip(found, truth, strict=True)])


def nearest(vectors: Vectors, ids: NDArray[np.int64], queries: Vectors) -> NDArray[np.int64]:
    """The exact 10 nearest rows of every query among some rows: int64 [q, 10]."""
    found = []
    for start in range(0, len(queries), 64):
        scores = queries[start : start + 64] @ vectors[ids].T
        found.append(ids[np.argpartition(-scores, 10, axis=1)[:, :10]])
    return np.vstack(found)


def taking_turns(searching: Searching, work: str, queries: int, rounds: int) -> dict[str, Any]:
    place = [0]

    def each(run: Callable[[int], Any]) -> Callable[[], None]:
        def one() -> None:
            place[0] += 1
            for offset in range(4):
                run((place[0] * 4 + offset) % queries)

        return one

    return interleaved(
        {
            "samespace, index": each(lambda q: searching.ids(work, "index", q)),
            "samespace, exact": each(lambda q: searching.ids(work, "exact", q)),
            "array_cosine_distance": each(lambda q: searching.bare(work, q)),
        },
        rounds=rounds,
    )


def lines_of(file: str, took: dict[str, Any], work: str) -> list[Line]:
    return [
        Line(f"{work}, {file}", name, 1, "fp32", value.wall / 4, value.cpu / 4)
        for name, value in took.items()
    ]


def cells_seconds(vectors: Vectors) -> tuple[float, float]:
    """Wall and CPU seconds of training, assigning, calibrating and sorting, without dbt."""
    from samespace.io._cells import run

    with duckdb.connect(config={"threads": 1}) as connection:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        connection.register("rows", pa.table({"id": pa.array(range(len(vectors))), "v": flat}))
        connection.execute("create schema samespace")
        connection.execute(
            f"create table cache as select 'document' as role, sha256(id::varchar) as content_hash, "
            f"v::float[{vectors.shape[1]}] as embedding from rows"
        )
        connection.execute("create temp table stage as select content_hash from cache")
        model = {"model_id": "m", "dimension": vectors.shape[1], "cache": "cache", "role": "document"}
        request = {
            "mode": "train", "title": "docs", "relation": ["main", "docs"], "models": [model],
            "stage": "stage", "catalog": "memory", "schema": "samespace", "cells": None,
            "probes": None, "recall": 0.95,
        }  # fmt: skip
        began, used = time.perf_counter(), cpu_seconds()
        run(connection, json.dumps(request))
        connection.execute(
            "create table docs as select c.content_hash, c.embedding, s.cell from cache as c "
            "join __samespace_cells as s using (content_hash) order by s.cell"
        )
        return time.perf_counter() - began, cpu_seconds() - used


def hnsw_seconds(vectors: Vectors) -> tuple[float, float] | None:
    """The same of an HNSW index of the extension vss on the same rows; none where it is not installed."""
    try:
        import duckdb_extension_vss as vss
    except ImportError:
        return None
    file = next(Path(vss.__file__).parent.rglob("vss.duckdb_extension"))
    with duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": 1}) as connection:
        connection.execute(f"load '{file}'")
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        connection.register("rows", pa.table({"v": flat}))
        connection.execute(f"create table docs as select v::float[{vectors.shape[1]}] as v from rows")
        began, used = time.perf_counter(), cpu_seconds()
        connection.execute("create index h on docs using hnsw (v) with (metric = 'cosine')")
        return time.perf_counter() - began, cpu_seconds() - used


def measure_file(
    file: str, rows: int, rounds: int, queries: int, recall: bool
) -> tuple[list[Line], list[Goal], dict[str, Any]]:
    """Times of one file, and ``recall`` where it is wanted: equal vectors have equal cells in every file."""
    project = prepare(rows, FILES[file], {"type": "ivf", "build": "always"})
    project.dbt("run")
    searching, asked = Searching(project), np.asarray(corpus.queries(queries), dtype=np.float32)
    vectors, part = np.asarray(corpus.vectors(rows)), (np.arange(rows) * 7919) % 100
    passing = [np.arange(rows), np.flatnonzero(part % 10 == 3), np.flatnonzero(part == 3)]
    lines: list[Line] = []
    goals: list[Goal] = []
    for work, ids in zip(WHERE, passing, strict=True):
        said = ""
        if recall:
            found = recalls(searching, work, nearest(vectors, ids, asked))
            low = f"p5 {np.percentile(found, 5):.2f}, below 0.8: {(found < 0.8).mean():.1%}"
            said = f"recall@10 {found.mean():.3f}, {low}"
            goals.append(Goal(f"recall@10, {work}", value=float(found.mean()), least=0.95, unit=""))
        took = taking_turns(searching, work, queries, rounds)
        for line in lines_of(file, took, work):
            lines.append(replace(line, note=said if line.contender == "samespace, index" else ""))
    name = f"every row, {file}"
    for peer in ("samespace, exact", "array_cosine_distance"):
        goals.append(
            Goal(name, ours="samespace, index", peer=peer, least=7, title=f"search by cells, {file}")
        )
    kept = {key: facts(project)[key] for key in ("cells", "share_10", "share_100", "recall_10", "p5_10")}
    return lines, goals, {f"{file}: {key}": value for key, value in kept.items()}


def main() -> None:
    args = options(__doc__)
    rows = 10_000 if args.small else 300_000
    queries, rounds = (50, 2) if args.small else (QUERIES, args.rounds or 7)
    lines: list[Line] = []
    goals: list[Goal] = []
    about: dict[str, Any] = {"rows": rows, "queries, held out": queries}
    for file in list(FILES)[: 1 if args.small else 2]:
        more_lines, more_goals, more = measure_file(file, rows, rounds, queries, recall=not lines)
        lines, goals, about = lines + more_lines, goals + more_goals, about | more
    same = np.ascontiguousarray(corpus.vectors(5_000 if args.small else 50_000), dtype=np.float32)
    work, ours, peer = f"build, {len(same):,} rows", cells_seconds(same), hnsw_seconds(same)
    lines.append(Line(work, "samespace, index", 1, "fp32", *ours))
    if peer is not None:
        lines.append(Line(work, "vss, HNSW", 1, "fp32", *peer))
        goals.append(Goal(work, ours="samespace, index", peer="vss, HNSW", least=15, title="build cells"))
    report(
        "ivf", "Search by cells on DuckDB", lines, baseline="samespace, exact", goal=goals, facts=about,
        small=args.small, packages=["duckdb-extension-vss"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
