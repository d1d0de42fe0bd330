"""k-means of unit vectors: a start found on samples, Lloyd's iteration with bounds, stable numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._lloyd import Fit, lloyd, members
from samespace.kernels._progress import Progress
from samespace.kernels._seeding import extend
from samespace.kernels._settings import Settings, needed
from samespace.kernels._start import best_start, sample_of, scorer_of
from samespace.kernels._vectors import Doubles, Floats, Log, Positions, Vectors, round_similarity, silent

CLUSTERS = pa.schema(
    [
        ("member", pa.int64()),
        ("cluster_id", pa.int64()),
        ("similarity_to_centroid", pa.float64()),
    ]
)
RESTARTS = 2
# The iteration ends when no row moves, or a round lowers the inertia by less than this part of it.
TOLERANCE = 1e-5


def kmeans(
    matrix: Floats,
    k: int,
    *,
    seed: int = 0,
    previous: Positions | None = None,
    restarts: int = RESTARTS,
    norms: Doubles | None = None,
    settings: Settings | None = None,
    log: Log = silent,
) -> pa.RecordBatch:
    """One of k clusters for every usable row; schema CLUSTERS, sorted by row. Clusters count from 1.

    Rows are scaled to length 1. A start is found on a random sample (``_start``); Lloyd's iteration then
    takes all rows until none moves, or a round lowers the inertia by less than a hundred-thousandth of it.
    Equal input and seed give equal output (on one machine). Clusters are numbered by size, largest first,
    then by their first row. Memory beside the matrix: a copy of the largest sample (up to half of the rows,
    at most 1,024 per cluster or 65,536, within the memory of ``settings``) and 48 bytes per row; in bfloat16
    2 more bytes per number.

    Args:
        matrix: float32 [n, d] in the order of the keys; rows with NaN, Inf or only zeros take no part.
        previous: int64 [n], the cluster each row was in (0: none). Starts from those clusters' means and
            keeps their numbers; clusters beyond k (the smallest) are given up, missing ones are added.
        restarts: how many starts compete on the sample.
        norms: float64 [n], the rows' lengths where they are known.
        settings: memory bounds the larger samples. precision bf16, by name only, forms products in bfloat16
            first (torch); rows too close to call are compared in float32, so the clusters are the same, but
            for ties within float32 rounding. Threads of float32 are those of NumPy's BLAS.
        log: called with a progress line now and then.

    Raises:
        KernelError: k below 1 or above the number of usable rows.
    """
    vectors = Vectors.of(matrix, norms)
    if not 1 <= k <= max(len(vectors), 1) or not len(vectors):
        usable = f"{len(vectors):,} rows have a usable vector"
        raise KernelError(f"k={k}, but {usable}; pass a k from 1 to that number")
    old = np.zeros(len(vectors), np.int64) if previous is None else previous[vectors.positions]
    kept = _largest(old, k)
    rng = np.random.default_rng(seed)
    settings = settings or Settings()
    half = settings.precision == "bf16"
    if len(kept):
        means = _means(vectors, old, kept)
        centroids = means if len(kept) == k else extend(sample_of(vectors, k, rng), means, k, rng)
    else:
        centroids = best_start(
            vectors, k, rng, restarts=restarts, room=_room(vectors, settings), half=half, log=log
        )
    scorer, progress = scorer_of(vectors, half), Progress("clusters", 300.0, log)
    fit = lloyd(vectors, centroids, tolerance=TOLERANCE, progress=progress, scorer=scorer)
    numbers = _numbers(fit.labels, k, kept)
    found = len(np.unique(fit.labels))
    if found < k:
        log(f"{found} clusters instead of {k}: there are no more different vectors")
    similarity = _similarity(vectors, fit)
    columns = [vectors.positions, numbers[fit.labels], similarity]
    return pa.record_batch([pa.array(column) for column in columns], schema=CLUSTERS)


def _room(vectors: Vectors, settings: Settings) -> int:
    """Bytes that the memory leaves for samples beside the matrix."""
    copy = 2 if settings.precision == "bf16" else 0
    return max(0, settings.memory - needed(len(vectors), vectors.dimension, copy=copy))


def _largest(old: Positions, k: int) -> Positions:
    ids, sizes = np.unique(old[old > 0], return_counts=True)
    return np.sort(ids[np.lexsort((ids, -sizes))[:k]])


def _means(vectors: Vectors, old: Positions, kept: Positions) -> Doubles:
    sums = np.zeros((len(kept), vectors.dimension))
    places = np.flatnonzero(np.isin(old, kept))
    owner = np.searchsorted(kept, old[places])
    for cluster, rows in members(owner):
        sums[cluster] += vectors.units(places[rows]).sum(axis=0, dtype=np.float64)
    means: Doubles = sums / np.bincount(owner)[:, None]
    return means


def _numbers(labels: Positions, k: int, kept: Positions) -> Positions:
    """The number of each centroid: the old ones first, then by size and first row."""
    sizes = np.bincount(labels, minlength=k)
    first = np.full(k, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    fresh = np.arange(len(kept), k)
    fresh = fresh[np.lexsort((first[fresh], -sizes[fresh]))]
    numbers = np.empty(k, dtype=np.int64)
    numbers[: len(kept)] = kept
    unused = np.setdiff1d(np.arange(1, 2 * k + 1), kept)
    numbers[fresh] = unused[: len(fresh)]
    return numbers


def _similarity(vectors: Vectors, fit: Fit) -> Doubles:
    """Cosine of every row to its centroid, clamped and rounded to 6 decimals: float64 [n]."""
    lengths = np.linalg.norm(fit.centroids, axis=1)
    result = np.empty(len(vectors))
    for cluster, rows in members(fit.labels):
        dots = np.einsum("ij,j->i", vectors.values[rows].astype(np.float64), fit.centroids[cluster])
        result[rows] = dots / np.maximum(vectors.norms[rows] * lengths[cluster], 1e-12)
    return round_similarity(np.clip(result, -1.0, 1.0))
