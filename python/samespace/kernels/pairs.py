"""Row pairs at or above a similarity threshold, within one matrix or from queries to rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import (
    COLUMN_BLOCK,
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

PAIRS = pa.schema([("left_row", pa.int64()), ("right_row", pa.int64()), ("similarity", pa.float64())])
WITHIN = pa.schema([("query", pa.int64()), ("neighbour", pa.int64()), ("similarity", pa.float64())])
MAX_PAIRS = 5_000_000


class Hits(NamedTuple):
    """Pairs found in one block: rows of the two Vectors, and their rounded similarity."""

    left: Positions
    right: Positions
    similarity: Doubles


def pairs(
    matrix: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    entity: Positions | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """All pairs of rows with similarity >= threshold; schema PAIRS, left_row < right_row, sorted.

    Args:
        matrix: float32 [n, d]; rows with NaN, Inf or only zeros take no part.
        threshold: cosine, compared with the similarity rounded to 6 decimals.
        max_pairs: stop with an error above this number of pairs (24 bytes each).
        entity: int64 [n]; rows of equal entity never pair.
        log: called with a progress line now and then.

    Raises:
        KernelError: threshold out of range, or more than max_pairs pairs.
    """
    vectors = Vectors.of(matrix)
    owner = None if entity is None else entity[vectors.positions]
    _refuse_copies(vectors, owner, threshold_or_error(threshold), max_pairs)
    progress = Progress("pairs", triangle_work(len(vectors)), log)
    found = _collect(triangle_hits(vectors, threshold, owner, progress), max_pairs, threshold, progress)
    left, right = vectors.positions[found.left], vectors.positions[found.right]
    order = np.lexsort((right, left))
    return pa.record_batch([pa.array(c[order]) for c in (left, right, found.similarity)], schema=PAIRS)


def within_threshold(
    matrix: Floats,
    queries: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    log: Log = silent,
) -> pa.RecordBatch:
    """Rows of ``matrix`` [n, d] within the threshold of each query [m, d]; schema WITHIN.

    Sorted by query, similarity descending, neighbour. Errors as ``pairs``, and for unequal dimensions.
    """
    rows, asked = Vectors.of(matrix), Vectors.of(queries)
    require_equal_dimension(asked, rows)
    threshold_or_error(threshold)
    progress = Progress("within threshold", len(rows) * len(asked), log)
    found = _collect(_rectangle_hits(asked, rows, threshold, progress), max_pairs, threshold, progress)
    return _within(asked.positions[found.left], rows.positions[found.right], found.similarity)


def within_self(
    matrix: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    entity: Positions | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """Every pair of ``pairs`` in both directions; schema WITHIN. ``max_pairs`` counts both directions."""
    once = pairs(matrix, threshold, max_pairs=max_pairs // 2, entity=entity, log=log)
    left, right, similarity = (once.column(name).to_numpy() for name in PAIRS.names)
    return _within(np.append(left, right), np.append(right, left), np.append(similarity, similarity))


def _within(query: Positions, neighbour: Positions, similarity: Doubles) -> pa.RecordBatch:
    order = np.lexsort((neighbour, -similarity, query))
    return pa.record_batch([pa.array(c[order]) for c in (query, neighbour, similarity)], schema=WITHIN)


def require_equal_dimension(queries: Vectors, rows: Vectors) -> None:
    """KernelError when two matrices cannot be of one space."""
    if queries.dimension != rows.dimension:
        raise KernelError(
            f"queries have {queries.dimension} dimensions, rows {rows.dimension}: they are different spaces"
        )


def triangle_work(rows: int) -> float:
    """Number of row pairs that ``triangle_hits`` compares, for progress."""
    return rows * (rows - 1) / 2


def triangle_hits(
    vectors: Vectors,
    threshold: float,
    entity: Positions | None,
    progress: Progress,
) -> Iterator[Hits]:
    """Pairs left < right at or above the threshold, block by block of the upper triangle."""
    for left, right in triangle_candidates(vectors, threshold, progress):
        keep = slice(None) if entity is None else entity[left] != entity[right]
        yield from _verified(vectors, left[keep], vectors, right[keep], threshold)


def triangle_candidates(
    vectors: Vectors,
    threshold: float,
    progress: Progress,
) -> Iterator[tuple[Positions, Positions]]:
    """Pairs left < right that float32 does not rule out, block by block of the upper triangle."""
    total = len(vectors)
    for start in range(0, total, ROW_BLOCK):
        stop = min(start + ROW_BLOCK, total)
        for left, right in candidates(vectors, slice(start, stop), vectors, start, threshold):
            keep = left < right
            yield left[keep], right[keep]
        progress.add((stop - start) * (total - (start + stop - 1) / 2))


def _rectangle_hits(queries: Vectors, rows: Vectors, threshold: float, progress: Progress) -> Iterator[Hits]:
    for start in range(0, len(queries), ROW_BLOCK):
        block = slice(start, min(start + ROW_BLOCK, len(queries)))
        for left, right in candidates(queries, block, rows, 0, threshold):
            yield from _verified(queries, left, rows, right, threshold)
        progress.add((block.stop - start) * len(rows))


def candidates(
    left: Vectors,
    rows: slice,
    right: Vectors,
    first: int,
    threshold: float,
) -> Iterator[tuple[Positions, Positions]]:
    """Pairs whose float32 similarity does not rule them out: one yield per block that holds any.

    Blocks are ROW_BLOCK x COLUMN_BLOCK float32 (8 MiB) in one reused buffer, so that the product is
    still in cache when it is looked through.
    """
    floor = np.float32(threshold - margin(right.dimension))
    block_rows = left.units(rows)
    buffer = np.empty(len(block_rows) * COLUMN_BLOCK, dtype=np.float32)
    for start in range(first, len(right), COLUMN_BLOCK):
        block = right.units(slice(start, start + COLUMN_BLOCK))
        scores = buffer[: len(block_rows) * len(block)].reshape(len(block_rows), len(block))
        np.matmul(block_rows, block.T, out=scores)
        hot = np.flatnonzero(scores.max(axis=1) >= floor)
        if len(hot):
            i, j = np.nonzero(scores[hot] >= floor)
            yield hot[i] + rows.start, j + start


def _verified(
    left: Vectors,
    left_rows: Positions,
    right: Vectors,
    right_rows: Positions,
    threshold: float,
) -> Iterator[Hits]:
    similarity = exact_similarity(left, left_rows, right, right_rows)
    keep = similarity >= threshold
    if keep.any():
        yield Hits(left_rows[keep], right_rows[keep], similarity[keep])


def _collect(blocks: Iterator[Hits], max_pairs: int, threshold: float, progress: Progress) -> Hits:
    found = [Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))]
    count = 0
    for hits in blocks:
        count += len(hits.left)
        if count > max_pairs:
            where = f"after {100 * progress.share:.0f} % of the comparisons"
            raise _too_many(count, threshold, max_pairs, where)
        found.append(hits)
    left, right, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
    return Hits(left, right, similarity)


def _refuse_copies(vectors: Vectors, entity: Positions | None, threshold: float, max_pairs: int) -> None:
    """Equal vectors alone may make too many pairs; that is known without comparing anything."""
    if entity is not None and len(np.unique(entity)) < len(entity):
        return
    sizes = np.bincount(first_copies(vectors), minlength=1).astype(np.int64)
    count = int((sizes * (sizes - 1) // 2).sum())
    if count > max_pairs:
        raise _too_many(count, threshold, max_pairs, "from equal vectors alone")


def _too_many(count: int, threshold: float, max_pairs: int, where: str) -> KernelError:
    return KernelError(
        f"at least {count:,} pairs are at or above {threshold} ({where}); max_pairs is {max_pairs:,}. "
        "Raise threshold, use duplicates() which returns one row per member, or raise max_pairs"
    )
