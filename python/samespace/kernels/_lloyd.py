"""Lloyd's iteration on unit vectors: rows that may move are compared, rows that moved are summed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from samespace.kernels._bounds import Assignment
from samespace.kernels._products import Scorer
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import GATHER, Doubles, Positions, Vectors

MAX_ROUNDS = 300


@dataclass(frozen=True)
class Fit:
    """Where an iteration ended.

    Attributes:
        centroids: float64 [k, d].
        labels: int64 [n], nearest centroid.
        inertia: sum of squared distances of the rows to their centroids.
        compared: pairs of a row and a centroid that were compared in each round.
        history: the inertia after each round, to the means of its clusters.
        settled: whether the last round moved no row.
    """

    centroids: Doubles
    labels: Positions
    inertia: float
    compared: tuple[int, ...] = ()
    history: tuple[float, ...] = ()
    settled: bool = True


def lloyd(
    vectors: Vectors,
    centroids: Doubles,
    *,
    tolerance: float,
    progress: Progress,
    scorer: Scorer | None = None,
    rounds: int = MAX_ROUNDS,
) -> Fit:
    """Iterate until no row moves, a round lowers the inertia by less than ``tolerance`` of it, or ``rounds``.

    The labels are those of comparing every row with every centroid in every round. ``scorer`` forms the
    products (float32 by default).
    """
    scorer = scorer or Scorer(vectors)
    compared: list[int] = []
    history: list[float] = []
    seen = scorer.compared
    clusters = _Clusters(vectors, len(centroids))
    assignment = Assignment(scorer, centroids)
    settled = False
    for done in range(rounds):
        settled = not clusters.take(assignment.labels) and done > 0
        compared.append(scorer.compared - seen)
        seen = scorer.compared
        history.append(clusters.least_inertia())
        progress.add(1)
        if settled or (done and history[-2] - history[-1] < tolerance * history[-1]):
            progress.add(rounds - done - 1)
            break
        centroids = clusters.means(assignment, centroids)
        assignment.follow(centroids)
    clusters.take(assignment.labels)
    inertia = clusters.inertia(centroids)
    return Fit(centroids, assignment.labels, inertia, tuple(compared), tuple(history), settled)


def members(labels: Positions) -> Iterator[tuple[int, Positions]]:
    """Cluster and places where ``labels`` (int64, from 0) names it, ascending, some thousands at a time."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels)).tolist()
    start = 0
    for cluster, end in enumerate(ends):
        for part in range(start, end, GATHER):
            yield cluster, order[part : min(part + GATHER, end)]
        start = end


class _Clusters:
    """Sums and sizes of the clusters, in float64, corrected by the rows that move."""

    def __init__(self, vectors: Vectors, k: int) -> None:
        self._vectors = vectors
        self.labels: Positions = np.full(len(vectors), -1, dtype=np.int64)
        self.sums = np.zeros((k, vectors.dimension))
        self.sizes = np.zeros(k, dtype=np.int64)

    def take(self, labels: Positions) -> int:
        """Note where the rows are now; returns how many moved."""
        moved = np.flatnonzero(labels != self.labels)
        known = moved[self.labels[moved] >= 0]
        self._add(known, self.labels[known], -1)
        self._add(moved, labels[moved], 1)
        self.labels = labels.copy()
        self.sizes = np.bincount(labels, minlength=len(self.sums))
        return len(moved)

    def _add(self, rows: Positions, clusters: Positions, sign: int) -> None:
        for cluster, places in members(clusters):
            units = self._vectors.units(rows[places])
            self.sums[cluster] += sign * units.sum(axis=0, dtype=np.float64)

    def least_inertia(self) -> float:
        """The sum of squared distances to the means: of unit rows, n - sum |sum|^2 / size."""
        held = self.sizes > 0
        squares = np.einsum("ij,ij->i", self.sums, self.sums)[held]
        return float(self.sizes.sum() - (squares / self.sizes[held]).sum())

    def inertia(self, centroids: Doubles) -> float:
        """The sum of squared distances to some centroids."""
        crossed = np.einsum("ij,ij->", self.sums, centroids)
        lengths = np.einsum("ij,ij->i", centroids, centroids)
        return max(0.0, float(self.sizes.sum() - 2.0 * crossed + self.sizes @ lengths))

    def means(self, assignment: Assignment, before: Doubles) -> Doubles:
        """Means of the clusters; an empty one moves to the row farthest from its centroid."""
        sums, sizes = self.sums, self.sizes
        empty = np.flatnonzero(sizes == 0)
        if len(empty):
            sums, sizes = self._filled(empty, assignment.scores())
        held = sizes > 0
        means: Doubles = before.copy()
        means[held] = sums[held] / sizes[held, None]
        return means

    def _filled(self, empty: Positions, scores: Doubles) -> tuple[Doubles, Positions]:
        sums, sizes = self.sums.copy(), self.sizes.copy()
        farthest = np.argsort(scores, kind="stable")[: len(empty)]
        for cluster, row in zip(empty, farthest, strict=False):
            owner = self.labels[row]
            if sizes[owner] < 2 or scores[row] >= 0.5 - 1e-6:
                continue
            vector = self._vectors.units(np.array([row]))[0].astype(np.float64)
            sums[owner] -= vector
            sums[cluster] += vector
            sizes[owner] -= 1
            sizes[cluster] += 1
        return sums, sizes
