"""The k most similar rows of every query: exact, in blocks, with ties broken by position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from samespace.errors import KernelError
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import (
    Floats,
    Log,
    Positions,
    Vectors,
    exact_similarity,
    first_copies,
    margin,
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
QUERY_BLOCK = 512
ROW_BLOCK = 4096


class Pool(NamedTuple):
    """Neighbours still in the race: query (within its block), row (of ``visible``), and similarity."""

    query: Positions
    row: Positions
    score: NDArray[Any]


@dataclass(frozen=True)
class Search:
    """What one call compares.

    visible: the rows that can appear in an answer; kept: their positions among all rows;
    owner: entity of every row where rows are their own queries, else None.
    """

    asked: Vectors
    visible: Vectors
    kept: Positions
    owner: Positions | None
    k: int

    @property
    def slack(self) -> np.float32:
        return np.float32(2 * margin(self.visible.dimension))


def top_k(
    matrix: Floats,
    queries: Floats | None = None,
    *,
    k: int = 10,
    entity: Positions | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """The k rows of ``matrix`` nearest to each query; schema TOP_K, sorted by query and rank.

    Args:
        matrix: float32 [n, d]; rows with NaN, Inf or only zeros take no part.
        queries: float32 [m, d]; None asks for the neighbours of every row of the matrix, without itself.
        k: rows per query; fewer come back only where fewer qualify.
        entity: int64 [n], only without ``queries``: rows of equal entity are no neighbours.
        log: called with a progress line now and then.

    Raises:
        KernelError: k below 1, or queries of another dimension.
    """
    if k < 1:
        raise KernelError(f"k={k}; pass a whole number of at least 1")
    rows = Vectors.of(matrix)
    asked = rows if queries is None else Vectors.of(queries)
    require_equal_dimension(asked, rows)
    owner = None
    if queries is None:
        owner = rows.positions if entity is None else entity[rows.positions]
    search = _search(asked, rows, owner, k)
    progress = Progress("nearest neighbours", len(asked), log)
    parts = [_NONE]
    for start in range(0, len(asked), QUERY_BLOCK):
        block = slice(start, min(start + QUERY_BLOCK, len(asked)))
        parts.append(_answers(search, block))
        progress.add(block.stop - start)
    query, row, similarity, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = [asked.positions[query], rows.positions[row], similarity, rank.astype(np.int32)]
    return pa.record_batch([pa.array(column) for column in columns], schema=TOP_K)


_NONE = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


def _search(asked: Vectors, rows: Vectors, owner: Positions | None, k: int) -> Search:
    """Leave out rows that no answer can hold: of equal vectors only the first few ever win a tie.

    Without this a column of one repeated text would keep every copy in every query's race.
    """
    own = 0 if owner is None or not len(owner) else int(np.unique(owner, return_counts=True)[1].max())
    copies = first_copies(rows)
    order = np.argsort(copies, kind="stable")
    nth = np.empty(len(rows), np.int64)
    nth[order] = _place_in_run(copies[order])
    kept = np.flatnonzero(nth < k + own)
    visible = rows if len(kept) == len(rows) else rows.take(kept)
    return Search(asked, visible, kept, owner, k)


def _place_in_run(values: Positions) -> Positions:
    """0, 1, 2 ... within each run of equal neighbours: int64 [n]."""
    first = np.flatnonzero(np.diff(values, prepend=-1))
    place: Positions = np.arange(len(values)) - np.repeat(first, np.diff(np.append(first, len(values))))
    return place


def _answers(search: Search, block: slice) -> tuple[Positions, Positions, NDArray[np.float64], Positions]:
    """Answers of one block of queries: query, row, similarity, rank, sorted."""
    floor = np.full(block.stop - block.start, -np.inf, dtype=np.float32)
    pool = Pool(*_NONE[:3])
    exact = 0
    for found in _scored(search, block, floor):
        pool = Pool(*(np.append(a, b) for a, b in zip(pool, found, strict=True)))
        pool = _trim(search, pool, floor)
        if len(pool.query) > max(exact * 2, len(floor) * (4 * search.k + 64)):
            pool = _exact_top(search, block, pool)[0]
            exact = len(pool.query)
    best, rank = _exact_top(search, block, pool)
    return best.query + block.start, search.kept[best.row], best.score, rank


def _scored(search: Search, block: slice, floor: Floats) -> Iterator[Pool]:
    """Per block of rows the scores that may still matter, given each query's k-th best so far."""
    units = search.asked.units(block)
    for first in range(0, len(search.visible), ROW_BLOCK):
        scores = units @ search.visible.units(slice(first, first + ROW_BLOCK)).T
        width = scores.shape[1]
        if search.owner is not None:
            _blank_own(scores, search.owner[block], search.owner[search.kept[first : first + width]])
        if first == 0 and width > search.k:
            floor[:] = np.partition(scores, width - search.k, axis=1)[:, width - search.k]
        query, row = np.nonzero((scores >= (floor - search.slack)[:, None]) & (scores > -np.inf))
        yield Pool(query, row + first, scores[query, row])


def _blank_own(scores: Floats, query_owner: Positions, row_owner: Positions) -> None:
    columns = np.flatnonzero(np.isin(row_owner, query_owner))
    if len(columns):
        query, column = np.nonzero(query_owner[:, None] == row_owner[columns])
        scores[query, columns[column]] = -np.inf


def _trim(search: Search, pool: Pool, floor: Floats) -> Pool:
    """Raise each query's floor to its k-th best score and drop what cannot reach it."""
    order = np.lexsort((-pool.score, pool.query))
    query, score = pool.query[order], pool.score[order]
    starts = np.searchsorted(query, np.arange(len(floor)))
    full = np.flatnonzero(np.diff(np.append(starts, len(query))) >= search.k)
    floor[full] = np.maximum(floor[full], score[starts[full] + search.k - 1])
    keep = order[score >= (floor - search.slack)[query]]
    return Pool(pool.query[keep], pool.row[keep], pool.score[keep])


def _exact_top(search: Search, block: slice, pool: Pool) -> tuple[Pool, Positions]:
    """Re-score in float64, keep the k best of every query, ties by row; also their ranks from 1."""
    similarity = exact_similarity(search.asked, pool.query + block.start, search.visible, pool.row)
    order = np.lexsort((pool.row, -similarity, pool.query))
    rank = _place_in_run(pool.query[order]) + 1
    best = order[rank <= search.k]
    return Pool(pool.query[best], pool.row[best], similarity[best]), rank[rank <= search.k]
