"""The works whose cost is followed as the rows grow. Each says what one more row should cost at most."""

from __future__ import annotations

import gc
import shutil
import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from common import corpus
from common.timing import Took, interleaved

from growth import databases, projects
from growth.databases import Held

QUERIES = 1000
THRESHOLD = 0.9
CLUSTERS = 100
FULL = (10_000, 30_000, 100_000, 300_000, 1_000_000)
SMALL = (1_000, 3_000, 10_000)
# A run of dbt starts in seconds: fewer sizes say as much.
RUNS = (10_000, 100_000, 1_000_000)
Times = Iterator[tuple[str, int, Took]]


@dataclass(frozen=True)
class Work:
    """``curves`` by title: the slope that the method has. ``measure`` gets sizes and rounds; it yields a
    title, the rows and what they took."""

    curves: dict[str, float]
    measure: Callable[[Iterable[int], int], Times]
    sizes: tuple[int, ...] = FULL
    small: tuple[int, ...] = SMALL
    threads: int | str = "auto"
    precision: str = "auto"


def took(run: Callable[[], Any], rounds: int) -> Took:
    """Median of the rounds; what takes long is run once."""
    first = interleaved({"": run}, rounds=1, warm_up=0)[""]
    if first.wall > 20 or rounds == 1:
        return first
    return interleaved({"": run}, rounds=rounds, warm_up=0)[""]


def _on_vectors(title: str, run: Callable[[Any], Any], sizes: Iterable[int], rounds: int) -> Times:
    for rows in sizes:
        matrix = corpus.grown(rows)
        yield title, rows, took(partial(run, matrix), rounds)
        del matrix
        gc.collect()


def _embed(title: str, sizes: Iterable[int], rounds: int) -> Times:
    from samespace.encoders import load_encoder

    encoder = load_encoder(corpus.minilm())
    for rows in sizes:
        yield title, rows, took(partial(encoder.encode, corpus.texts(rows), "document"), rounds)


def _knn(matrix: Any) -> Any:
    from samespace.kernels.top_k import top_k

    return top_k(matrix, corpus.queries(QUERIES), k=10)


def _pairs(matrix: Any) -> Any:
    from samespace.kernels.pairs import pairs

    return pairs(matrix, THRESHOLD, max_pairs=50_000_000)


def _groups(matrix: Any) -> Any:
    from samespace.kernels.groups import groups

    return groups(matrix, THRESHOLD)


def _clusters(matrix: Any) -> Any:
    from samespace.kernels.kmeans import kmeans

    return kmeans(matrix, CLUSTERS)


def _median(seen: Iterable[Took]) -> Took:
    wall, cpu = zip(*((one.wall, one.cpu) for one in seen), strict=True)
    return Took(statistics.median(wall), statistics.median(cpu), len(wall))


def _search(
    title: str, database: Callable[[], AbstractContextManager[Held]], sizes: Iterable[int], rounds: int
) -> Times:
    """The median of single searches, each with another query."""
    with database() as held:
        for rows in sizes:
            held.fill(corpus.grown(rows))
            gc.collect()
            asking = {str(number): partial(held.ask, number) for number in range(max(5, 3 * rounds))}
            # The first round fills caches.
            yield title, rows, _median(interleaved(asking, rounds=1, warm_up=1, clock=held.cpu).values())


def _runs(first: str, again: str, kind: str, sizes: Iterable[int], rounds: int) -> Times:
    """The first dbt run of a table, and the next ones, where nothing has changed."""
    for rows in sizes:
        with projects.column(kind, rows) as project:
            yield first, rows, project.run()
            yield again, rows, _median([project.run() for _ in range(min(rounds, 3))])


def _cells(search: str, build: str, sizes: Iterable[int], rounds: int) -> Times:
    """A search by cells on DuckDB, and the dbt run that makes table and cells out of cached vectors."""
    from bench_ivf import Searching, prepare

    for rows in sizes:
        project = prepare(rows, "uncompressed", {"type": "ivf", "build": "always"})
        try:
            ran = project.dbt("run")
            yield build, rows, Took(ran.wall, ran.cpu, 1)
            searching = Searching(project)
            asking = {
                str(number): partial(searching.ids, "every row", "index", number)
                for number in range(max(10, 3 * rounds))
            }
            yield search, rows, _median(interleaved(asking, rounds=1, warm_up=1).values())
            searching.close()
        finally:
            shutil.rmtree(project.root, ignore_errors=True)


def _dbt(kind: str, database: str, small: tuple[int, ...]) -> Work:
    first, again = f"first dbt run, static encoder, {database}", f"dbt run, nothing new, {database}"
    return Work({first: 1.0, again: 1.0}, partial(_runs, first, again, kind), RUNS, small, threads=1)


def _exact(database: Callable[[], AbstractContextManager[Held]], name: str) -> Work:
    title = f"search, exact, {name}"
    return Work({title: 1.0}, partial(_search, title, database), threads=1, precision="fp32")


def _kernel(title: str, order: float, run: Callable[[Any], Any]) -> Work:
    return Work({title: order}, partial(_on_vectors, title, run))


EMBED = "embed, all-MiniLM-L6-v2"
CELLS, BUILD = "search, index: ivf, DuckDB", "dbt run that makes the cells, DuckDB"
WORKS: dict[str, Work] = {
    "embed": Work(
        {EMBED: 1.0}, partial(_embed, EMBED), (1_000, 2_000, 5_000, 10_000, 20_000), (250, 500, 1_000)
    ),
    "run-duckdb": _dbt("duckdb", "DuckDB", (5_000,)),
    # Small versions stay below a minute: the other one says that a run works.
    "run-pgvector": _dbt("pgvector", "PostgreSQL", ()),
    "search-duckdb": _exact(databases.duck, "DuckDB"),
    "search-pgvector": _exact(databases.postgres, "PostgreSQL"),
    "search-ivf": Work(
        {CELLS: 0.6, BUILD: 1.5}, partial(_cells, CELLS, BUILD), (10_000, 30_000, 100_000, 300_000), (),
        threads=1, precision="fp32",
    ),
    "knn": _kernel(f"knn, {QUERIES:,} queries", 1.0, _knn),
    "pairs": _kernel(f"duplicate_pairs, exact, {THRESHOLD}", 2.0, _pairs),
    "groups": _kernel(f"duplicates, exact, {THRESHOLD}", 2.0, _groups),
    "clusters": _kernel(f"clusters, k = {CLUSTERS}", 1.0, _clusters),
}
