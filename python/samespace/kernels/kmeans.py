"""k-means of unit vectors: greedy k-means++ seeds, Lloyd by matrix products, stable cluster numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from samespace.errors import KernelError
from samespace.kernels._lloyd import Fit, lloyd
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import (
    GATHER,
    Doubles,
    Floats,
    Log,
    Positions,
    Vectors,
    round_similarity,
    silent,
)

CLUSTERS = pa.schema(
    [
        ("member", pa.int64()),
        ("cluster_id", pa.int64()),
        ("similarity_to_centroid", pa.float64()),
    ]
)
RESTARTS = 4
SAMPLE = 32_768
SAMPLE_PER_CLUSTER = 256


def kmeans(
    matrix: Floats,
    k: int,
    *,
    seed: int = 0,
    previous: Positions | None = None,
    restarts: int = RESTARTS,
    log: Log = silent,
) -> pa.RecordBatch:
    """One of k clusters for every usable row; schema CLUSTERS, sorted by row. Clusters count from 1.

    Rows are scaled to length 1; the best of ``restarts`` runs by inertia is kept and brought to
    convergence. Above max(32768, 256 k) rows the runs that compete see a fixed random sample of that size.
    Equal input and seed give equal output (on one machine). Clusters are numbered by size, largest
    first, then by their first row.

    Args:
        matrix: float32 [n, d] in the order of the keys; rows with NaN, Inf or only zeros take no part.
        previous: int64 [n], the cluster each row was in (0: none). Starts from those clusters' means and
            keeps their numbers; clusters beyond k (the smallest) are given up, missing ones are added.
        log: called with a progress line now and then.

    Raises:
        KernelError: k below 1 or above the number of usable rows.
    """
    vectors = Vectors.of(matrix)
    if not 1 <= k <= max(len(vectors), 1) or not len(vectors):
        usable = f"{len(vectors):,} rows have a usable vector"
        raise KernelError(f"k={k}, but {usable}; pass a k from 1 to that number")
    old = np.zeros(len(vectors), np.int64) if previous is None else previous[vectors.positions]
    kept = _largest(old, k)
    rng = np.random.default_rng(seed)
    if len(kept):
        centroids = _extend(vectors, _means(vectors, old, kept), k, rng)
    else:
        centroids = _best_start(vectors, k, rng, restarts, log)
    fit = lloyd(vectors, centroids, tolerance=0.0, progress=Progress("clusters", 300.0, log))
    numbers = _numbers(fit.labels, k, kept)
    found = len(np.unique(fit.labels))
    if found < k:
        log(f"{found} clusters instead of {k}: there are no more different vectors")
    similarity = _similarity(vectors, fit)
    columns = [vectors.positions, numbers[fit.labels], similarity]
    return pa.record_batch([pa.array(column) for column in columns], schema=CLUSTERS)


def _best_start(vectors: Vectors, k: int, rng: np.random.Generator, restarts: int, log: Log) -> Doubles:
    size = max(SAMPLE, SAMPLE_PER_CLUSTER * k)
    sample = vectors
    if len(vectors) > size:
        chosen = np.sort(np.argsort(rng.random(len(vectors)), kind="stable")[:size])
        sample = vectors.take(chosen)
    progress = Progress("clusters, choosing a start", restarts * 300.0, log)
    none = np.empty((0, vectors.dimension))
    starts = (_extend(sample, none, k, rng) for _ in range(restarts))
    fits = [lloyd(sample, start, tolerance=1e-4, progress=progress) for start in starts]
    return min(fits, key=lambda fit: fit.inertia).centroids


def _extend(vectors: Vectors, centroids: Doubles, k: int, rng: np.random.Generator) -> Doubles:
    """Add seeds until there are k: greedy k-means++ (Arthur and Vassilvitskii 2007, section 5)."""
    trials = 2 + int(np.log(k))
    closest = _distances(vectors, centroids).min(axis=1) if len(centroids) else np.ones(len(vectors))
    chosen = [np.asarray(c, dtype=np.float64) for c in centroids]
    while len(chosen) < k:
        cumulative = np.cumsum(closest)
        if cumulative[-1] <= 0:
            cumulative = np.arange(1.0, len(vectors) + 1)
        draws = rng.random(trials if chosen else 1) * cumulative[-1]
        tried = np.minimum(np.searchsorted(cumulative, draws, side="right"), len(vectors) - 1)
        seeds = vectors.units(tried).astype(np.float64)
        distances = _distances(vectors, seeds)
        if chosen:
            np.minimum(distances, closest[:, None], out=distances)
        best = int(distances.sum(axis=0).argmin())
        closest = np.ascontiguousarray(distances[:, best])
        chosen.append(seeds[best])
    return np.array(chosen)


def _distances(vectors: Vectors, points: Doubles) -> Doubles:
    """Squared distance of every unit row to a few points, at least 0: float64 [n, points]."""
    result = np.empty((len(vectors), len(points)))
    right = points.astype(np.float32).T
    lengths = np.einsum("ij,ij->i", points, points)
    for start in range(0, len(vectors), GATHER):
        rows = slice(start, start + GATHER)
        result[rows] = 1.0 + lengths - 2.0 * (vectors.units(rows) @ right)
    # Float32 leaves about 1e-7 of a row's distance to itself, which would make it a candidate again.
    result[result < 1e-6] = 0.0
    return result


def _largest(old: Positions, k: int) -> Positions:
    ids, sizes = np.unique(old[old > 0], return_counts=True)
    return np.sort(ids[np.lexsort((ids, -sizes))[:k]])


def _means(vectors: Vectors, old: Positions, kept: Positions) -> Doubles:
    return np.array([vectors.units(np.flatnonzero(old == c)).mean(axis=0, dtype=np.float64) for c in kept])


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
    lengths = np.sqrt(np.einsum("ij,ij->i", fit.centroids, fit.centroids))
    result = np.empty(len(vectors))
    for start in range(0, len(vectors), GATHER):
        rows = slice(start, start + GATHER)
        labels = fit.labels[rows]
        dots = np.einsum("ij,ij->i", vectors.values[rows].astype(np.float64), fit.centroids[labels])
        result[rows] = dots / np.maximum(vectors.norms[rows] * lengths[labels], 1e-12)
    return round_similarity(np.clip(result, -1.0, 1.0))
