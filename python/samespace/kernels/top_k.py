"""The k most similar rows of every query: exact, in blocks, with ties broken by position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._engines import engine_for, spread
from samespace.kernels._gemm import Engine, Scorer, Side, slack
from samespace.kernels._progress import Progress
from samespace.kernels._race import Pool, Race, place_in_run
from samespace.kernels._scan import blocks
from samespace.kernels._settings import Settings
from samespace.kernels._vectors import (
    Doubles,
    Floats,
    Log,
    Positions,
    Vectors,
    exact_similarity,
    first_copies,
    silent,
)
from samespace.kernels.pairs import require_equal_dimension

TOP_K = pa.schema(
    [
        ("query", pa.int64()),
        ("neighbour", pa.int64()),
        ("similarity", pa.float64()),
        ("rank", pa.int32()),
    ]
)
# Above rows / CROWD candidates per query it is cheaper to multiply again in float32 than to look at each.
CROWD = 256


@dataclass(frozen=True)
class Search:
    """What one call compares.

    kept: positions of the rows that can appear in an answer, None for all; owner: entity of every row where
    rows are their own queries, else None; own: how many rows one entity has at most.
    """

    asked: Vectors
    rows: Vectors
    kept: Positions | None
    owner: Positions | None
    own: int
    k: int

    def position(self, places: Positions) -> Positions:
        """Places among the visible rows as positions among all rows."""
        return places if self.kept is None else self.kept[places]

    def sides(self, engine: Engine) -> tuple[Side, Side]:
        """Rows and queries as the engine multiplies them; one and the same where all rows ask for all."""
        rows = engine.side(self.rows, self.kept)
        one = self.asked is self.rows and self.kept is None
        return rows, rows if one else engine.side(self.asked)


class Answer(NamedTuple):
    """The k best of a block of queries: query, row (of all rows), similarity, rank; sorted."""

    query: Positions
    row: Positions
    similarity: Doubles
    rank: Positions


def top_k(
    matrix: Floats,
    queries: Floats | None = None,
    *,
    k: int = 10,
    entity: Positions | None = None,
    norms: tuple[Doubles, Doubles | None] | None = None,
    settings: Settings | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """The k rows of ``matrix`` nearest to each query; schema TOP_K, sorted by query and rank.

    Args:
        matrix: float32 [n, d]; rows with NaN, Inf or only zeros take no part.
        queries: float32 [m, d]; None asks for the neighbours of every row of the matrix, without itself.
        k: rows per query; fewer come back only where fewer qualify.
        entity: int64 [n], only without ``queries``: rows of equal entity are no neighbours.
        norms: the lengths of rows and of queries (float64), where they are known.
        settings: precision of the first pass, memory, threads; the result does not depend on them.
        log: called with a progress line now and then.

    Raises:
        KernelError: k below 1, queries of another dimension, or not enough memory.
    """
    if k < 1:
        raise KernelError(f"k={k}; pass a whole number of at least 1")
    lengths = norms or (None, None)
    rows = Vectors.of(matrix, lengths[0])
    asked = rows if queries is None else Vectors.of(queries, lengths[1])
    require_equal_dimension(asked, rows)
    owner = None
    if queries is None:
        owner = rows.positions if entity is None else entity[rows.positions]
    search = _search(asked, rows, owner, k)
    progress = Progress("nearest neighbours", len(asked), log)
    total = len(rows) + (0 if asked is rows else len(asked))
    answers: dict[int, Answer] = {}
    work = float(len(asked)) * len(rows)
    with engine_for(settings or Settings(), work, total, rows.dimension) as engine:
        for block, answer in _answers(search, engine):
            answers[block.start] = answer
            progress.add(block.stop - block.start)
    parts = [answers[start] for start in sorted(answers)] or [_NONE]
    query, row, similarity, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = [asked.positions[query], rows.positions[row], similarity, rank.astype(np.int32)]
    return pa.record_batch([pa.array(column) for column in columns], schema=TOP_K)


_NONE = Answer(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


def _search(asked: Vectors, rows: Vectors, owner: Positions | None, k: int) -> Search:
    """Leave out rows that no answer can hold: of equal vectors only the first few ever win a tie.

    Without this a column of one repeated text would keep every copy in every query's race.
    """
    own = 0 if owner is None or not len(owner) else int(np.unique(owner, return_counts=True)[1].max())
    copies = first_copies(rows)
    order = np.argsort(copies, kind="stable")
    nth = np.empty(len(rows), np.int64)
    nth[order] = place_in_run(copies[order])
    kept = np.flatnonzero(nth < k + own)
    return Search(asked, rows, None if len(kept) == len(rows) else kept, owner, own, k)


def _answers(search: Search, engine: Engine) -> Iterator[tuple[slice, Answer]]:
    """Blocks of queries and their answers, in no certain order."""
    tall, wide = search.sides(engine)
    jobs = blocks(len(wide), min(engine.wide, -(-len(wide) // engine.threads)) or 1)
    crowded = []

    def run(scorer: Scorer, block: slice) -> Iterator[tuple[slice, Answer | None]]:
        yield block, _answer(search, engine, scorer, (tall, wide), block)

    for block, answer in spread(engine, jobs, run):
        if answer is None:
            crowded.append(block)
        else:
            yield block, answer
    if crowded:
        engine = engine.precise()
        tall, wide = search.sides(engine)
        for block, answer in spread(engine, crowded, run):
            if answer is not None:
                yield block, answer


def _answer(
    search: Search, engine: Engine, scorer: Scorer, sides: tuple[Side, Side], block: slice
) -> Answer | None:
    """The answers of a block of queries; None where bfloat16 leaves so many in the race that float32 pays."""
    tall, wide = sides
    width = slack(tall, slice(0, len(tall)), wide, block)
    race = Race(block.stop - block.start, search.k, width, engine.rounding)
    most = len(width) * (4 * search.k + 64 + len(tall) // CROWD)
    seen, limit, trimmed = 0, most, 0
    for rows in blocks(len(tall), engine.tall):
        scorer.load(tall, rows, wide, block)
        if not seen:
            race.top = scorer.kth(search.k + search.own)
        found = scorer.above(race.floor)
        race.add(_without_own(search, Pool(found.wide - block.start, found.tall, found.score), block))
        seen += rows.stop - rows.start
        if seen < 2 * trimmed and race.waiting < limit and seen < len(tall):
            continue
        race.trim()
        trimmed = seen
        if len(race.pool.query) > limit:
            if engine.rounding:
                return None
            race.pool = _exact_top(search, block, race.pool)[0]
        limit = max(most, 2 * len(race.pool.query))
    best, rank = _exact_top(search, block, race.pool)
    return Answer(best.query + block.start, search.position(best.row), best.score.astype(np.float64), rank)


def _without_own(search: Search, found: Pool, block: slice) -> Pool:
    if search.owner is None:
        return found
    owner = search.owner
    other = owner[search.position(found.row)] != owner[found.query + block.start]
    return Pool(*(column[other] for column in found))


def _exact_top(search: Search, block: slice, pool: Pool) -> tuple[Pool, Positions]:
    """Re-score in float64, keep the k best of every query, ties by row; also their ranks from 1."""
    rows = search.position(pool.row)
    similarity = exact_similarity(search.asked, pool.query + block.start, search.rows, rows)
    order = np.lexsort((pool.row, -similarity, pool.query))
    rank = place_in_run(pool.query[order]) + 1
    best = order[rank <= search.k]
    return Pool(pool.query[best], pool.row[best], similarity[best]), rank[rank <= search.k]
