"""Row pairs at or above a similarity threshold, within one matrix or from queries to rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._engines import engine_for
from samespace.kernels._gemm import Engine, Found, Side
from samespace.kernels._progress import Progress
from samespace.kernels._scan import rectangle, triangle
from samespace.kernels._settings import Settings
from samespace.kernels._sketch import sketch
from samespace.kernels._vectors import (
    Doubles,
    Floats,
    Log,
    Positions,
    Vectors,
    copies_of,
    exact_similarity,
    first_copies,
    silent,
    threshold_or_error,
)

PAIRS = pa.schema([("left_row", pa.int64()), ("right_row", pa.int64()), ("similarity", pa.float64())])
WITHIN = pa.schema([("query", pa.int64()), ("neighbour", pa.int64()), ("similarity", pa.float64())])
MAX_PAIRS = 5_000_000


class Hits(NamedTuple):
    """Pairs at or above the threshold: rows of the two Vectors, and their rounded similarity."""

    left: Positions
    right: Positions
    similarity: Doubles


def pairs(
    matrix: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    entity: Positions | None = None,
    norms: Doubles | None = None,
    settings: Settings | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """All pairs of rows with similarity >= threshold; schema PAIRS, left_row < right_row, sorted.

    Equal vectors are compared once. Beside ``matrix`` it holds one bfloat16 copy at most, the buffers of
    ``_settings.needed`` and 24 bytes per pair.

    Args:
        matrix: float32 [n, d]; rows with NaN, Inf or only zeros take no part.
        threshold: cosine, compared with the similarity rounded to 6 decimals.
        max_pairs: stop with an error above this number of pairs.
        entity: int64 [n]; rows of equal entity never pair.
        norms: float64 [n], the rows' lengths where they are known.
        settings: precision of the first pass, memory, threads; the result does not depend on them.
        log: called with a progress line now and then.

    Raises:
        KernelError: threshold out of range, more than max_pairs pairs, or not enough memory.
    """
    vectors = Vectors.of(matrix, norms)
    owner = None if entity is None else _shared(entity[vectors.positions])
    copies = _Copies(vectors, owner)
    copies.refuse(threshold_or_error(threshold), max_pairs)
    progress = Progress("pairs", triangle_work(len(copies.distinct)), log)

    def judge(found: Found) -> Hits:
        rows = copies.distinct[found.tall], copies.distinct[found.wide]
        if owner is not None:
            apart = owner[rows[0]] != owner[rows[1]]
            rows = rows[0][apart], rows[1][apart]
        return _verified(vectors, rows[0], vectors, rows[1], threshold)

    with engine_for(settings or Settings(), progress.total, len(vectors), vectors.dimension) as engine:
        side = threshold_side(engine, vectors, copies.distinct, threshold)[0]
        blocks = triangle(engine, side, threshold, judge)
        once = _counted(blocks, copies.weights, max_pairs, threshold, progress)
    found = copies.expanded(once)
    left, right = vectors.positions[found.left], vectors.positions[found.right]
    order = np.lexsort((right, left))
    return pa.record_batch([pa.array(c[order]) for c in (left, right, found.similarity)], schema=PAIRS)


def within_threshold(
    matrix: Floats,
    queries: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    norms: tuple[Doubles, Doubles] | None = None,
    settings: Settings | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """Rows of ``matrix`` [n, d] within the threshold of each query [m, d]; schema WITHIN.

    Sorted by query, similarity descending, neighbour. ``norms``: the lengths of rows and of queries, where
    they are known. Errors as ``pairs``, and for unequal dimensions.
    """
    lengths = norms or (None, None)
    rows, asked = Vectors.of(matrix, lengths[0]), Vectors.of(queries, lengths[1])
    require_equal_dimension(asked, rows)
    threshold_or_error(threshold)
    progress = Progress("within threshold", len(rows) * len(asked), log)

    def judge(found: Found) -> Hits:
        return _verified(asked, found.wide, rows, found.tall, threshold)

    total = len(rows) + len(asked)
    with engine_for(settings or Settings(), progress.total, total, rows.dimension) as engine:
        blocks = rectangle(engine, engine.side(rows), engine.side(asked), threshold, judge)
        found = _counted(blocks, None, max_pairs, threshold, progress)
    return _within(asked.positions[found.left], rows.positions[found.right], found.similarity)


def within_self(
    matrix: Floats,
    threshold: float,
    *,
    max_pairs: int = MAX_PAIRS,
    entity: Positions | None = None,
    norms: Doubles | None = None,
    settings: Settings | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """Every pair of ``pairs`` in both directions; schema WITHIN. ``max_pairs`` counts both directions."""
    once = pairs(
        matrix, threshold, max_pairs=max_pairs // 2, entity=entity, norms=norms, settings=settings, log=log
    )
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


def threshold_side(
    engine: Engine, vectors: Vectors, rows: Positions, threshold: float
) -> tuple[Side, Doubles | None]:
    """Some rows ready to be compared with a threshold: as sketches where these pay, and what they omit."""
    short = sketch(vectors, rows, threshold, engine)
    if short is None:
        return engine.side(vectors, None if len(rows) == len(vectors) else rows), None
    side = engine.side(short.vectors)
    side.blur = short.blur
    return side, short.rest


def triangle_work(rows: int) -> float:
    """Number of pairs among so many rows."""
    return rows * (rows - 1) / 2


def _shared(entity: Positions) -> Positions | None:
    """The entities, or None where every row has one of its own."""
    return entity if len(np.unique(entity)) < len(entity) else None


def _verified(
    left: Vectors, left_rows: Positions, right: Vectors, right_rows: Positions, threshold: float
) -> Hits:
    similarity = exact_similarity(left, left_rows, right, right_rows)
    keep = similarity >= threshold
    return Hits(left_rows[keep], right_rows[keep], similarity[keep])


def _counted(
    blocks: Iterable[tuple[Hits, int]],
    weights: Positions | None,
    max_pairs: int,
    threshold: float,
    progress: Progress,
) -> Hits:
    """All hits as one; stops where they make more than ``max_pairs``. ``weights``: copies of each row."""
    kept = [Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))]
    count = 0
    for hits, compared in blocks:
        progress.add(compared)
        if not len(hits.left):
            continue
        count += len(hits.left) if weights is None else int(weights[hits.left] @ weights[hits.right])
        if count > max_pairs:
            where = f"after {100 * progress.share:.0f} % of the comparisons"
            raise _too_many(count, threshold, max_pairs, where)
        kept.append(hits)
    return Hits(*(np.concatenate(column) for column in zip(*kept, strict=True)))


class _Copies:
    """Rows with equal vectors: one of each is compared, the others have its pairs too.

    Where rows share an entity all are compared: whether they pair is then not a matter of vectors alone.
    """

    def __init__(self, vectors: Vectors, owner: Positions | None) -> None:
        first = np.arange(len(vectors)) if owner is not None else first_copies(vectors)
        self.distinct, self._place = copies_of(first)
        self.none = len(self.distinct) == len(vectors)
        sizes = np.bincount(first, minlength=len(vectors))
        self.weights = None if self.none else sizes
        self._order = np.argsort(first, kind="stable")
        self._starts, self._sizes = np.cumsum(sizes) - sizes, sizes

    def refuse(self, threshold: float, max_pairs: int) -> None:
        """Equal vectors alone may make too many pairs; that is known without comparing anything."""
        count = int((self._sizes * (self._sizes - 1) // 2).sum())
        if count > max_pairs:
            raise _too_many(count, threshold, max_pairs, "from equal vectors alone")

    def expanded(self, once: Hits) -> Hits:
        """Pairs of first rows as pairs of all rows, left < right."""
        if self.none:
            return once
        left, right, at = self._members(once.left, once.right)
        inside = np.flatnonzero(self._sizes > 1)
        a, b, _ = self._members(inside, inside)
        apart = a < b
        similarity = np.append(once.similarity[at], np.ones(int(apart.sum())))
        left, right = np.append(left, a[apart]), np.append(right, b[apart])
        return Hits(np.minimum(left, right), np.maximum(left, right), similarity)

    def _members(self, left: Positions, right: Positions) -> tuple[Positions, Positions, Positions]:
        """All combinations of a copy of left[i] and one of right[i], and the i of each."""
        wide = self._sizes[right]
        number = self._sizes[left] * wide
        at = np.repeat(np.arange(len(left)), number)
        nth = np.arange(len(at)) - np.repeat(np.cumsum(number) - number, number)
        a = self._order[self._starts[left[at]] + nth // wide[at]]
        b = self._order[self._starts[right[at]] + nth % wide[at]]
        return a, b, at


def _too_many(count: int, threshold: float, max_pairs: int, where: str) -> KernelError:
    return KernelError(
        f"at least {count:,} pairs are at or above {threshold} ({where}); max_pairs is {max_pairs:,}. "
        "Raise threshold, use duplicates() which returns one row per member, or raise max_pairs"
    )
