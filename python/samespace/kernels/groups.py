"""Groups of near-duplicates with one canonical row each, streamed from blocks in O(n) memory."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._progress import Progress
from samespace.kernels._union_find import UnionFind
from samespace.kernels._vectors import (
    ROW_BLOCK,
    Doubles,
    Floats,
    Log,
    Positions,
    Vectors,
    exact_similarity,
    first_copies,
    margin,
    silent,
    threshold_or_error,
)
from samespace.kernels.pairs import candidates, triangle_candidates, triangle_work

GROUPS = pa.schema(
    [
        ("member", pa.int64()),
        ("group_id", pa.int64()),
        ("group_size", pa.int64()),
        ("canonical", pa.int64()),
        ("similarity_to_canonical", pa.float64()),
        ("min_similarity", pa.float64()),
    ]
)
Linkage = Literal["canonical", "components"]


def groups(
    matrix: Floats,
    threshold: float,
    *,
    linkage: Linkage = "canonical",
    log: Log = silent,
) -> pa.RecordBatch:
    """Rows of groups of two and more; schema GROUPS, sorted by group and row. Groups count from 1.

    Rows are taken in the order of ``matrix``. ``canonical``: a row is canonical when no earlier canonical
    row is within the threshold; every other row joins the most similar earlier canonical row (the
    earlier one at a tie), so each row dropped is within the threshold of the row kept.
    ``components``: a~b and b~c put a and c into one group, however far apart; the first row is canonical.

    Args:
        matrix: float32 [n, d]; rows with NaN, Inf or only zeros take no part.
        threshold: cosine, compared with the similarity rounded to 6 decimals.
        log: called with a progress line now and then, and with the size of the longest chain.

    Raises:
        KernelError: threshold out of range, or a linkage that does not exist.
    """
    threshold_or_error(threshold)
    if linkage not in ("canonical", "components"):
        raise KernelError(f"linkage is '{linkage}'; pass 'canonical' or 'components'")
    vectors = Vectors.of(matrix)
    copies = first_copies(vectors)
    distinct = np.flatnonzero(copies == np.arange(len(copies)))
    reduced = vectors if len(distinct) == len(vectors) else vectors.take(distinct)
    progress = Progress("duplicates", triangle_work(len(reduced)), log)
    find = _cover if linkage == "canonical" else _components
    canonical = distinct[find(reduced, threshold, progress)][np.searchsorted(distinct, copies)]
    return _result(vectors, canonical, threshold, log)


def _result(vectors: Vectors, canonical: Positions, threshold: float, log: Log) -> pa.RecordBatch:
    size = np.bincount(canonical, minlength=len(vectors))
    member = np.flatnonzero(size[canonical] > 1)
    head = canonical[member]
    similarity = exact_similarity(vectors, member, vectors, head)
    heads, group = np.unique(head, return_inverse=True)
    lowest: Doubles = np.ones(len(heads))
    np.minimum.at(lowest, group, similarity)
    chained = int((lowest < threshold).sum())
    if chained:
        log(f"{chained} groups are chains: the farthest member has {lowest.min():.3f} to its canonical row")
    order = np.lexsort((member, group))
    columns = [
        vectors.positions[member],
        group + 1,
        size[head],
        vectors.positions[head],
        similarity,
        lowest[group],
    ]
    return pa.record_batch([pa.array(column[order]) for column in columns], schema=GROUPS)


def _cover(vectors: Vectors, threshold: float, progress: Progress) -> Positions:
    """The canonical row of every row: int64 [n] (itself when it is canonical)."""
    canonical = np.arange(len(vectors))
    heads: Positions = np.empty(0, dtype=np.int64)
    for start in range(0, len(vectors), ROW_BLOCK):
        rows = slice(start, min(start + ROW_BLOCK, len(vectors)))
        best, best_similarity = _nearest_heads(vectors, rows, heads, threshold)
        _resolve_block(vectors, rows, threshold, best, best_similarity)
        canonical[rows] = best
        heads = np.append(heads, np.flatnonzero(best == np.arange(rows.start, rows.stop)) + start)
        progress.add((rows.stop - start) * (start + (rows.stop - start - 1) / 2))
    return canonical


def _nearest_heads(
    vectors: Vectors,
    rows: slice,
    heads: Positions,
    threshold: float,
) -> tuple[Positions, Doubles]:
    """For each row of a block the most similar head of earlier blocks; -1 and -2.0 where none is close."""
    best = np.full(rows.stop - rows.start, -1, dtype=np.int64)
    similarity = np.full(rows.stop - rows.start, -2.0)
    for left, head in _head_candidates(vectors, rows, heads, threshold):
        exact = exact_similarity(vectors, left, vectors, head)
        order = np.lexsort((head, -exact, left))
        first = order[np.flatnonzero(np.diff(left[order], prepend=-1))]
        # Later blocks hold later heads: only a strictly better one replaces what was found.
        local = left[first] - rows.start
        better = (exact[first] >= threshold) & (exact[first] > similarity[local])
        best[local[better]], similarity[local[better]] = head[first][better], exact[first][better]
    return best, similarity


def _head_candidates(
    vectors: Vectors,
    rows: slice,
    heads: Positions,
    threshold: float,
) -> list[tuple[Positions, Positions]]:
    found = []
    for start in range(0, len(heads), ROW_BLOCK):
        part = heads[start : start + ROW_BLOCK]
        found += [(left, part[j]) for left, j in candidates(vectors, rows, vectors.take(part), 0, threshold)]
    return found


def _resolve_block(
    vectors: Vectors,
    rows: slice,
    threshold: float,
    best: Positions,
    similarity: Doubles,
) -> None:
    """Go through one block in order; fills ``best`` with a head for every row, itself where it is one."""
    units = vectors.units(rows)
    close = np.triu(units @ units.T >= np.float32(threshold - margin(vectors.dimension)), 1)
    busy = close.any(axis=1)
    for i in range(len(best)):
        if best[i] >= 0:
            continue
        best[i] = rows.start + i
        if not busy[i]:
            continue
        later = np.flatnonzero(close[i])
        exact = exact_similarity(vectors, np.full(len(later), rows.start + i), vectors, later + rows.start)
        better = (exact >= threshold) & (exact > similarity[later])
        best[later[better]], similarity[later[better]] = rows.start + i, exact[better]


def _components(vectors: Vectors, threshold: float, progress: Progress) -> Positions:
    """The first row of every row's connected component: int64 [n]."""
    forest = UnionFind(len(vectors))
    for left, right in triangle_candidates(vectors, threshold, progress):
        apart = forest.roots(left) != forest.roots(right)
        open_left, open_right = left[apart], right[apart]
        near = exact_similarity(vectors, open_left, vectors, open_right) >= threshold
        forest.join(open_left[near], open_right[near])
    return forest.roots(np.arange(len(vectors)))
