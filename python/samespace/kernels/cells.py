"""Cells of an inverted file: centroids, the cell of every vector, and how many rows a search has to compare.

Spherical k-means (Dhillon and Modha 2001) on a sample; every vector belongs to the centroid of the largest
cosine. A search ranks the centroids in the same way and reads cells until it has compared a share of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samespace.errors import KernelError
from samespace.kernels._lloyd import members
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import Floats, Log, Positions, silent

MOST_CELLS = 32_768
SAMPLE_PER_CELL = 32
ROUNDS = 3
BLOCK = 2048
DEPTHS = (10, 100)


def cells_for(rows: int) -> int:
    """Eight times the square root: half as many cost less to rank, but more rows have to be compared
    (docs/decisions/0009-ivf.md). At least eight rows a cell."""
    return int(np.clip(round(8 * rows**0.5), 1, min(MOST_CELLS, max(1, rows // 8))))


def train(sample: Floats, cells: int, *, seed: int = 0, log: Log = silent) -> Floats:
    """Unit centroids, float32 [cells, d], out of unit vectors, float32 [n, d] with n >= cells.

    Neighbouring centroids stand beside each other, so that what a search reads lies together. Equal input and
    seed give equal output on one machine. Raises KernelError for fewer vectors than cells.
    """
    if not 1 <= cells <= len(sample):
        raise KernelError(f"{cells} cells, but {len(sample):,} vectors to make them of")
    rng = np.random.default_rng(seed)
    centroids = _fit(sample, cells, rng, Progress("cells", float(ROUNDS), log))
    groups = _fit(centroids, max(1, round(cells**0.5)), rng, Progress("cells", float(ROUNDS), silent))
    ordered: Floats = np.ascontiguousarray(centroids[np.argsort(assign(centroids, groups), kind="stable")])
    return ordered


def assign(vectors: Floats, centroids: Floats) -> Positions:
    """The nearest centroid of every row by inner product: int64 [n]; ties go to the first."""
    return _nearest(vectors, centroids)[0]


class Middles:
    """Directions of the sums of all rows of each cell, collected while rows pass by, float32 [n, d].

    They rank cells better than centroids made of a sample (docs/decisions/0009-ivf.md).
    """

    def __init__(self, centroids: Floats) -> None:
        self._centroids = centroids
        self._sums = np.zeros_like(centroids)

    def see(self, vectors: Floats, cells: Positions) -> None:
        self._sums += _sums(vectors, cells, len(self._sums))

    def result(self) -> Floats:
        """Unit vectors, float32 [cells, d]; the centroid where rows cancel out, or there are none."""
        lengths = np.linalg.norm(self._sums, axis=1, keepdims=True)
        return np.where(lengths > 0, self._sums / np.where(lengths > 0, lengths, 1), self._centroids)


def _nearest(vectors: Floats, centroids: Floats) -> tuple[Positions, Floats]:
    labels = np.empty(len(vectors), dtype=np.int64)
    scores = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, min(start + BLOCK, len(vectors)))
        block = vectors[rows] @ centroids.T
        labels[rows] = block.argmax(axis=1)
        scores[rows] = block[np.arange(len(block)), labels[rows]]
    return labels, scores


def _fit(sample: Floats, cells: int, rng: np.random.Generator, progress: Progress) -> Floats:
    centroids: Floats = sample[np.sort(rng.permutation(len(sample))[:cells])].copy()
    for _ in range(ROUNDS):
        labels, scores = _nearest(sample, centroids)
        _move(sample, labels, scores, centroids)
        progress.add(1)
    return centroids


def _move(sample: Floats, labels: Positions, scores: Floats, centroids: Floats) -> None:
    """Centroids become the directions of their rows' sums; empty ones go to the rows farthest from theirs."""
    sizes = np.bincount(labels, minlength=len(centroids))
    sums = _sums(sample, labels, len(centroids))
    lengths = np.linalg.norm(sums, axis=1)
    moved = lengths > 0
    centroids[moved] = sums[moved] / lengths[moved, None]
    empty = np.flatnonzero(sizes == 0)
    centroids[empty] = sample[np.argsort(scores, kind="stable")[: len(empty)]]


def _sums(vectors: Floats, labels: Positions, cells: int) -> Floats:
    """The sum of the rows of each cell: float32 [cells, d]."""
    sums = np.zeros((cells, vectors.shape[1]), dtype=np.float32)
    for cell, places in members(labels):
        sums[cell] += np.add.reduce(vectors[places], axis=0)
    return sums


@dataclass(frozen=True)
class Measured:
    """What comparing a share of the rows finds at one depth.

    Attributes:
        depth: k, the number of nearest rows looked for.
        share: part of the rows to compare, 0 to 1.
        recall: mean over the queries of the share of the k nearest rows that were found.
        p5: its 5th percentile.
    """

    depth: int
    share: float
    recall: float
    p5: float


class Calibration:
    """Exact nearest rows of some queries, collected while all rows pass by, and what they say of the cells.

    ``queries`` are unit vectors, float32 [q, d]. Holds q x 100 scores and one block of products.
    """

    def __init__(self, queries: Floats) -> None:
        self._queries = queries
        self._scores = np.full((len(queries), DEPTHS[-1]), -np.inf, dtype=np.float32)
        self._cells = np.full((len(queries), DEPTHS[-1]), -1, dtype=np.int64)

    def see(self, vectors: Floats, cells: Positions, own: Positions) -> None:
        """Some rows, float32 [n, d], and their cells; ``own`` is the query that a row itself is, or -1."""
        for start in range(0, len(vectors), BLOCK):
            rows = slice(start, start + BLOCK)
            scores = self._queries @ vectors[rows].T
            asked = own[rows]
            scores[asked[asked >= 0], np.flatnonzero(asked >= 0)] = -np.inf
            self._keep(scores, cells[rows])

    def _keep(self, scores: Floats, cells: Positions) -> None:
        better = np.flatnonzero((scores > self._scores.min(axis=1)[:, None]).any(axis=0))
        if not len(better):
            return
        merged = np.hstack([self._scores, scores[:, better]])
        origin = np.hstack([self._cells, np.broadcast_to(cells[better], (len(merged), len(better)))])
        best = np.argpartition(-merged, DEPTHS[-1] - 1, axis=1)[:, : DEPTHS[-1]]
        self._scores = np.take_along_axis(merged, best, axis=1)
        self._cells = np.take_along_axis(origin, best, axis=1)

    def measure(
        self, centroids: Floats, sizes: Positions, *, recall: float, share: float | None
    ) -> list[Measured]:
        """One result per depth of DEPTHS: the least share whose mean recall, less three standard errors,
        reaches ``recall``; or what ``share`` gives. ``sizes``: rows per cell, int64 [cells]."""
        before = self._rows_before(centroids, sizes)
        total = int(sizes.sum())
        order = np.argsort(-self._scores, axis=1, kind="stable")
        before = np.take_along_axis(before, order, axis=1)
        return [_measured(before[:, :depth], depth, total, recall, share) for depth in DEPTHS]

    def _rows_before(self, centroids: Floats, sizes: Positions) -> Positions:
        """How many rows a search compares before it opens the cell of each neighbour: int64 [q, 100].

        -1 where there is no such neighbour.
        """
        order = np.argsort(-(self._queries @ centroids.T), axis=1, kind="stable")
        ranked = sizes[order]
        opened = np.empty_like(ranked)
        np.put_along_axis(opened, order, np.cumsum(ranked, axis=1) - ranked, axis=1)
        found = np.take_along_axis(opened, np.maximum(self._cells, 0), axis=1)
        return np.where(self._cells < 0, -1, found)


def _measured(before: Positions, depth: int, total: int, recall: float, share: float | None) -> Measured:
    if share is None:
        share = _least_share(before, total, recall)
    each = _recalls(before, share * total)
    p5 = float(np.percentile(each, 5)) if len(each) else 1.0
    return Measured(depth, share, float(each.mean()) if len(each) else 1.0, p5)


def _recalls(before: Positions, budget: float) -> Floats:
    """Per query that has neighbours, the share of them in cells that are opened within the budget."""
    there = before >= 0
    counts = there.sum(axis=1)
    hits = (there & (before < budget)).sum(axis=1)
    result: Floats = (hits[counts > 0] / counts[counts > 0]).astype(np.float32)
    return result


def _least_share(before: Positions, total: int, recall: float) -> float:
    """By bisection: recall grows with the share. 1 (every row) where no smaller share is enough."""
    low, high = 0, max(total, 1)
    while high - low > max(1, total // 10_000):
        middle = (low + high) // 2
        each = _recalls(before, middle)
        error = float(each.std()) / max(len(each), 1) ** 0.5
        if len(each) and float(each.mean()) - 3 * error >= recall:
            high = middle
        else:
            low = middle
    return min(1.0, high / max(total, 1))
