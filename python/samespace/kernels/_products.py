"""Scores of rows against centroids, and for every row the best and the second best of them.

The score of a row x and a centroid c is x.c - c.c/2, so squared distance of a unit row = 1 - 2 score. float32
products are NumPy's alone: k-means follows the last bit, and a result must not depend on whether torch
happens to be imported. bfloat16 is a first pass; rows too close to call are scored again in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from samespace.kernels._vectors import Doubles, Floats, Positions, Vectors, margin

# A block of scores should stay in a processor's own cache until its maxima are taken.
BLOCK, BLOCK_SCORES = 4096, 2**19
_UNIT = 2.0**-9


class Top(NamedTuple):
    """For some rows: int64 nearest centroid; float64 its score and the highest score of any other one.

    A score may miss the exact one by ``Scorer.error``; ``best`` from below and ``other`` from above where
    the row was not scored in float32.
    """

    label: Positions
    best: Doubles
    other: Doubles


class Scorer:
    """float32 scores of the rows of ``vectors``; ``compared`` counts pairs of a row and a centroid."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.compared = 0
        self._right: Floats = np.empty((0, 0), np.float32)
        self._half: Floats = np.empty(0, np.float32)

    @property
    def error(self) -> float:
        """By how much a float32 score may miss the exact one."""
        return margin(self.vectors.dimension)

    def load(self, centroids: Doubles) -> None:
        """Score against these from now on: float64 [k, d]."""
        self._right = np.ascontiguousarray(centroids.astype(np.float32).T)
        self._half = (0.5 * np.einsum("ij,ij->i", centroids, centroids)).astype(np.float32)

    @property
    def block(self) -> int:
        """Rows of a block."""
        return max(256, min(BLOCK, BLOCK_SCORES // max(1, len(self._half))))

    def all(self) -> Iterator[tuple[slice, Top]]:
        """The top of every row, block by block."""
        for rows in self._blocks():
            yield rows, self._first_pass(rows)

    def some(self, rows: Positions) -> Iterator[tuple[Positions, Top]]:
        """The top of some rows, in float32."""
        for start in range(0, len(rows), self.block):
            part = rows[start : start + self.block]
            yield part, _top(self._scores(self.vectors.units(part)))

    def few(self, columns: Positions) -> Iterator[tuple[slice, Floats]]:
        """Scores of every row against some of the centroids, block by block: float32 [rows, columns]."""
        right, half = np.ascontiguousarray(self._right[:, columns]), self._half[columns]
        for rows in self._blocks():
            scores = self.vectors.units(rows) @ right
            scores -= half
            self.compared += scores.size
            yield rows, scores

    def own(self, labels: Positions) -> Doubles:
        """The score of every row against the centroid it is given: float64 [n]."""
        result, centroids = np.empty(len(labels)), np.ascontiguousarray(self._right.T)
        for rows in self._blocks():
            given = labels[rows]
            products = np.einsum("ij,ij->i", self.vectors.units(rows), centroids[given])
            result[rows] = products - self._half[given]
        self.compared += len(labels)
        return result

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, len(self.vectors), self.block):
            yield slice(start, min(start + self.block, len(self.vectors)))

    def _first_pass(self, rows: slice) -> Top:
        return _top(self._scores(self.vectors.units(rows)))

    def _scores(self, units: Floats) -> Floats:
        scores: Floats = units @ self._right
        scores -= self._half
        self.compared += scores.size
        return scores


def _top(scores: Floats) -> Top:
    """Best and second best of each row of scores, which are overwritten."""
    places = np.arange(len(scores))
    label = scores.argmax(axis=1)
    best = scores[places, label].astype(np.float64)
    scores[places, label] = -np.inf
    return Top(label, best, scores.max(axis=1).astype(np.float64))


class HalfScorer(Scorer):
    """bfloat16 products (torch) first; rows whose two best lie closer than their error are scored again.

    Rounding the row, the centroid and their product to 8 bits moves the product by at most
    ``((1 + u)^3 - 1) |x| |c|`` with u = 2**-9 (Higham, Accuracy and Stability of Numerical Algorithms, 2.1,
    and Cauchy-Schwarz); |x| = 1. Holds a copy of the rows, 2 bytes a number.
    """

    def __init__(self, vectors: Vectors) -> None:
        import torch

        super().__init__(vectors)
        self._rows = torch.empty(len(vectors), vectors.dimension, dtype=torch.bfloat16)
        for rows in self._blocks():
            self._rows[rows] = torch.from_numpy(np.ascontiguousarray(vectors.units(rows)))
        self._half_right: Any = None
        self._rounding = 0.0

    def load(self, centroids: Doubles) -> None:
        import torch

        super().load(centroids)
        self._half_right = torch.from_numpy(self._right).to(torch.bfloat16)
        longest = float(np.sqrt(2.0 * self._half.max(initial=0.0)))
        self._rounding = ((1.0 + _UNIT) ** 3 - 1.0) * longest + self.error

    def _first_pass(self, rows: slice) -> Top:
        import torch

        scores = torch.mm(self._rows[rows], self._half_right).float().numpy()
        scores -= self._half
        self.compared += scores.size
        label, best, other = _top(scores)
        best -= self._rounding
        other += self._rounding
        close = np.flatnonzero(best <= other)
        for part, top in self.some(close + rows.start):
            place = part - rows.start
            label[place], best[place], other[place] = top
        return Top(label, best, other)
