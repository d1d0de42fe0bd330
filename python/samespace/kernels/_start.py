"""The centroids that k-means begins with: found on a sample, refined on samples twice as large each time."""

from __future__ import annotations

import numpy as np

from samespace.kernels._breathing import breathe
from samespace.kernels._lloyd import lloyd
from samespace.kernels._products import HalfScorer, Scorer
from samespace.kernels._progress import Progress
from samespace.kernels._seeding import extend
from samespace.kernels._vectors import Doubles, Log, Vectors

# Rows of the first sample, at least and per cluster, and of its part from which seeds are drawn. The largest
# sample holds up to LARGEST times as many.
SAMPLE, SAMPLE_PER_CLUSTER, LARGEST = 8192, 128, 8
SEEDED, SEEDED_PER_CLUSTER = 4096, 32
# A run ends when a round lowers the inertia by less than this part of it: on the first sample, on the others.
ROUGH, FINE = 1e-3, 1e-4
# How many centroids breathing moves at first: a part of k, and at most this many.
MOVED_PART, MOVED_MOST = 4, 32


def best_start(
    vectors: Vectors, k: int, rng: np.random.Generator, *, restarts: int, room: int, half: bool, log: Log
) -> Doubles:
    """Centroids near those of a good optimum: float64 [k, d].

    The best of ``restarts`` runs from k-means++ seeds on a random sample, improved there by breathing, then
    brought to samples that double up to about half of the rows. ``room``: bytes for a copy of the larger
    samples; ``half``: products in bfloat16 first.
    """
    most = room // (4 * max(1, vectors.dimension))
    levels = [size for place, size in enumerate(_levels(len(vectors), k)) if not place or size <= most]
    sample = _random(vectors, levels[-1], rng)
    first = _head(sample, levels[0])
    scorer = scorer_of(first, half)
    progress = Progress("clusters, choosing a start", (restarts + 4) * 300.0, log)
    none = np.empty((0, vectors.dimension))
    seeded = _random(first, max(SEEDED, SEEDED_PER_CLUSTER * k), rng)
    starts = (extend(seeded, none, k, rng) for _ in range(restarts))
    fits = [lloyd(first, start, tolerance=ROUGH, progress=progress, scorer=scorer) for start in starts]
    fit = min(fits, key=lambda fit: fit.inertia)
    moved = min(MOVED_MOST, -(-k // MOVED_PART))
    fit = breathe(first, fit, moved=moved, tolerance=ROUGH, rng=rng, progress=progress, scorer=scorer)
    for size in levels[1:]:
        part = _head(sample, size)
        fit = lloyd(part, fit.centroids, tolerance=FINE, progress=progress, scorer=scorer_of(part, half))
    return fit.centroids


def sample_of(vectors: Vectors, k: int, rng: np.random.Generator) -> Vectors:
    """Enough random rows to draw further seeds from; all where there are not many more."""
    return _random(vectors, _levels(len(vectors), k)[0], rng)


def scorer_of(vectors: Vectors, half: bool) -> Scorer:
    """What forms the products: bfloat16 first, or float32 alone."""
    return HalfScorer(vectors) if half else Scorer(vectors)


def _levels(rows: int, k: int) -> list[int]:
    """Rows of the samples, each twice the one before; all rows where the first would be most of them."""
    size = max(SAMPLE, SAMPLE_PER_CLUSTER * k)
    if 2 * size > rows:
        return [rows]
    levels = [size]
    while 4 * levels[-1] <= rows and levels[-1] < LARGEST * size:
        levels.append(2 * levels[-1])
    return levels


def _random(vectors: Vectors, rows: int, rng: np.random.Generator) -> Vectors:
    return vectors.take(rng.permutation(len(vectors))[:rows]) if rows < len(vectors) else vectors


def _head(vectors: Vectors, rows: int) -> Vectors:
    return Vectors(vectors.values[:rows], vectors.norms[:rows], vectors.positions[:rows], vectors.unit)
