"""Out of a local optimum of k-means: centroids too many where rows are far, then those missed least go."""

from __future__ import annotations

import numpy as np

from samespace.kernels._bounds import Assignment
from samespace.kernels._lloyd import Fit, lloyd
from samespace.kernels._products import Scorer
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import Doubles, Positions, Vectors

# Rounds with the centroids added; how far towards a row one is added; the least gain that counts.
SETTLE, OFFSET, GAIN = 3, 0.1, 1e-4


def breathe(
    vectors: Vectors,
    fit: Fit,
    *,
    moved: int,
    tolerance: float,
    rng: np.random.Generator,
    progress: Progress,
    scorer: Scorer,
) -> Fit:
    """A fit at least as good, by breathing k-means (Fritzke 2020): ``moved`` centroids are added to the
    clusters of most inertia and, after a few rounds, as many taken away; half as many when that was no gain.
    """
    k = len(fit.centroids)
    moved = min(moved, k // 2)
    while moved:
        more = np.vstack([fit.centroids, _added(vectors, fit, scorer, moved, rng)])
        full = lloyd(vectors, more, tolerance=0.0, progress=progress, scorer=scorer, rounds=SETTLE).centroids
        # The bounds of another precision are looser, and would choose others.
        kept = full[_useful(full, Scorer(vectors), k)]
        tried = lloyd(vectors, kept, tolerance=tolerance, progress=progress, scorer=scorer)
        if tried.inertia < (1.0 - GAIN) * fit.inertia:
            fit = tried
        else:
            moved //= 2
    return fit


def _added(vectors: Vectors, fit: Fit, scorer: Scorer, number: int, rng: np.random.Generator) -> Doubles:
    """A centroid beside that of each of the clusters with most inertia, towards one of its rows."""
    scorer.load(fit.centroids)
    distances = 1.0 - 2.0 * scorer.own(fit.labels)
    inertia = np.bincount(fit.labels, weights=distances, minlength=len(fit.centroids))
    worst = np.argsort(-inertia, kind="stable")[:number]
    order = rng.permutation(len(vectors))
    first = np.full(len(fit.centroids), order[0])
    first[fit.labels[order[::-1]]] = order[::-1]
    towards: Doubles = vectors.units(first[worst]).astype(np.float64) - fit.centroids[worst]
    return fit.centroids[worst] + OFFSET * towards


def _useful(centroids: Doubles, scorer: Scorer, number: int) -> Positions:
    """The centroids to keep: without each of the others the inertia would grow least; two that are nearest to
    each other do not both go."""
    now = Assignment(scorer, centroids)
    loss = np.bincount(now.labels, weights=now.own - now.other, minlength=len(centroids))
    lengths = np.einsum("ij,ij->i", centroids, centroids)
    distance = lengths[:, None] + lengths - 2.0 * centroids @ centroids.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    out: list[int] = []
    frozen: set[int] = set()
    for centroid in np.argsort(loss, kind="stable").tolist():
        if len(out) == len(centroids) - number:
            break
        if centroid not in frozen:
            out.append(centroid)
            frozen.add(int(nearest[centroid]))
    return np.setdiff1d(np.arange(len(centroids)), out)[:number]
