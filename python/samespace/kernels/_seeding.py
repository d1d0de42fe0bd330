"""Where k-means starts: centroids spread over the rows, by distance."""

from __future__ import annotations

import numpy as np

from samespace.kernels._vectors import GATHER, Doubles, Positions, Vectors

# Up to this many centroids each seed is the best of a few draws; beyond, seeds are drawn in as many batches.
ONE_BY_ONE = 256


def extend(vectors: Vectors, centroids: Doubles, k: int, rng: np.random.Generator) -> Doubles:
    """Add rows until there are k centroids: greedy k-means++ (Arthur and Vassilvitskii 2007, section 5).

    Every row is drawn with a probability that grows with its squared distance to the nearest centroid so far.
    For k above 256 the rows of a draw are all taken (k-means||, Bahmani and others 2012, in 256 passes), so
    that the cost is that of comparing every row with every centroid once: float64 [k, d].
    """
    each = max(1, k // ONE_BY_ONE)
    trials = 2 + int(np.log(k)) if each == 1 else each
    closest = _distances(vectors, centroids).min(axis=1) if len(centroids) else np.ones(len(vectors))
    chosen = np.empty((k, vectors.dimension))
    found = len(centroids)
    chosen[:found] = centroids
    while found < k:
        tried = _draw(closest, trials if found else 1, rng)
        seeds = vectors.units(tried).astype(np.float64)
        distances = _distances(vectors, seeds)
        if found:
            np.minimum(distances, closest[:, None], out=distances)
        if each == 1:
            best = slice(int(distances.sum(axis=0).argmin()), None)
            seeds, distances = seeds[best][:1], distances[:, best][:, :1]
        number = min(len(seeds), k - found)
        chosen[found : found + number] = seeds[:number]
        found += number
        closest = distances.min(axis=1)
    return chosen


def _draw(weights: Doubles, number: int, rng: np.random.Generator) -> Positions:
    """Rows drawn by weight (evenly where all are 0), each once: int64, at most ``number``."""
    cumulative = np.cumsum(weights)
    if cumulative[-1] <= 0:
        cumulative = np.arange(1.0, len(weights) + 1)
    draws = rng.random(number) * cumulative[-1]
    return np.unique(np.minimum(np.searchsorted(cumulative, draws, side="right"), len(weights) - 1))


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
