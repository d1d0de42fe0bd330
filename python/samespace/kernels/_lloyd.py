"""Lloyd's iteration on unit vectors: assignment and update are both matrix products over row blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samespace.kernels._progress import Progress
from samespace.kernels._vectors import Doubles, Positions, Vectors

BLOCK = 4096
MAX_ROUNDS = 300


@dataclass(frozen=True)
class Fit:
    """centroids: float64 [k, d]; labels: int64 [n], nearest centroid; inertia: sum of squared distances."""

    centroids: Doubles
    labels: Positions
    inertia: float


def lloyd(vectors: Vectors, centroids: Doubles, *, tolerance: float, progress: Progress) -> Fit:
    """Iterate until no row moves, or the centroids' squared shift falls to ``tolerance`` x mean variance."""
    labels = np.full(len(vectors), -1, dtype=np.int64)
    limit = tolerance * _mean_variance(vectors) if tolerance else -1.0
    for done in range(MAX_ROUNDS):
        new_labels, similarity, sums = _round(vectors, centroids)
        progress.add(1)
        settled = np.array_equal(new_labels, labels)
        labels = new_labels
        updated = _centroids(vectors, labels, similarity, sums, centroids)
        shift = float(((updated - centroids) ** 2).sum())
        centroids = updated
        if settled or shift <= limit:
            progress.add(MAX_ROUNDS - done - 1)
            break
    labels, similarity, _ = _round(vectors, centroids)
    return Fit(centroids, labels, float(2.0 * (0.5 - similarity).sum()))


def _round(vectors: Vectors, centroids: Doubles) -> tuple[Positions, Doubles, Doubles]:
    """Nearest centroid, its score (x.c - c.c/2, so distance^2 = 1 - 2 score) and sums per centroid.

    Products are float32, sums over blocks float64.
    """
    right = centroids.astype(np.float32).T
    half = (0.5 * np.einsum("ij,ij->i", centroids, centroids)).astype(np.float32)
    labels = np.empty(len(vectors), dtype=np.int64)
    best = np.empty(len(vectors))
    sums = np.zeros(centroids.shape)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, min(start + BLOCK, len(vectors)))
        units = vectors.units(rows)
        scores = units @ right
        scores -= half
        chosen = scores.argmax(axis=1)
        labels[rows] = chosen
        best[rows] = scores[np.arange(len(units)), chosen]
        one_hot = np.zeros((len(centroids), len(units)), dtype=np.float32)
        one_hot[chosen, np.arange(len(units))] = 1.0
        sums += one_hot @ units
    return labels, best, sums


def _centroids(
    vectors: Vectors,
    labels: Positions,
    scores: Doubles,
    sums: Doubles,
    before: Doubles,
) -> Doubles:
    """Means of the clusters; an empty one moves to the row farthest from its centroid."""
    sizes = np.bincount(labels, minlength=len(before)).astype(np.float64)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        sums = sums.copy()
        for cluster, row in zip(empty, np.argsort(scores, kind="stable")[: len(empty)], strict=False):
            owner = labels[row]
            if sizes[owner] < 2 or scores[row] >= 0.5 - 1e-6:
                continue
            vector = vectors.units(np.array([row]))[0].astype(np.float64)
            sums[owner] -= vector
            sums[cluster] += vector
            sizes[owner] -= 1
            sizes[cluster] += 1
    filled = sizes > 0
    means: Doubles = before.copy()
    means[filled] = sums[filled] / sizes[filled, None]
    return means


def _mean_variance(vectors: Vectors) -> float:
    """Mean over dimensions of the variance of the unit rows, which scales the tolerance."""
    total = np.zeros(vectors.dimension)
    for start in range(0, len(vectors), BLOCK):
        total += vectors.units(slice(start, start + BLOCK)).sum(axis=0, dtype=np.float64)
    mean = total / len(vectors)
    return float((1.0 - mean @ mean) / vectors.dimension)
