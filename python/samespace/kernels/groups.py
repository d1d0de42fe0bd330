"""Groups of near-duplicates with one canonical row each, streamed from blocks in O(n) memory."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._cover import Compared, cover
from samespace.kernels._engines import engine_for
from samespace.kernels._gemm import Engine, Found
from samespace.kernels._progress import Progress
from samespace.kernels._scan import triangle
from samespace.kernels._settings import Settings
from samespace.kernels._union_find import UnionFind
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
from samespace.kernels.pairs import threshold_side, triangle_work

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
    norms: Doubles | None = None,
    settings: Settings | None = None,
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
        norms: float64 [n], the rows' lengths where they are known.
        settings: precision of the first pass, memory, threads; the result does not depend on them.
        log: called with a progress line now and then, and with the size of the longest chain.

    Raises:
        KernelError: threshold out of range, a linkage that does not exist, or not enough memory.
    """
    threshold_or_error(threshold)
    if linkage not in ("canonical", "components"):
        raise KernelError(f"linkage is '{linkage}'; pass 'canonical' or 'components'")
    vectors = Vectors.of(matrix, norms)
    distinct, place = copies_of(first_copies(vectors))
    progress = Progress("duplicates", triangle_work(len(distinct)), log)
    with engine_for(settings or Settings(), progress.total, len(vectors), vectors.dimension) as engine:
        side, rest = threshold_side(engine, vectors, distinct, threshold)
        compared = Compared(vectors, distinct, side, rest)
        find = cover if linkage == "canonical" else _components
        canonical = distinct[find(engine, compared, threshold, progress)][place]
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


def _components(engine: Engine, compared: Compared, threshold: float, progress: Progress) -> Positions:
    """The first row of every row's connected component: int64 [n]."""
    forest = UnionFind(len(compared.rows))

    def judge(found: Found) -> Found:
        return found

    for found, number in triangle(engine, compared.side, threshold, judge):
        apart = forest.roots(found.tall) != forest.roots(found.wide)
        left, right = found.tall[apart], found.wide[apart]
        near = compared.exact(left, right) >= threshold
        forest.join(left[near], right[near])
        progress.add(number)
    return forest.roots(np.arange(len(compared.rows)))
