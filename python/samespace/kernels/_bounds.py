"""Which centroid is nearest to each row while centroids move: rows that cannot have changed are not compared.

Hamerly (2010), "Making k-means even faster", in scores: a row keeps a number that its own centroid's score
reaches, and one that no other centroid's score exceeds. A unit row's score against a centroid that moved by
delta changes by x.delta - (|c'|^2 - |c|^2)/2, and |x.delta| <= |delta|. One fast centroid would loosen the
bound of every row, so the fastest ones are compared with all rows instead, and the others bound the rest.
Numbers that may miss the exact score by an error are kept apart by four times that error: what is skipped is
what a full comparison would have found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samespace.kernels._products import Scorer
from samespace.kernels._vectors import Doubles, Positions

# Cost of a row that is picked out, and of a pass over all rows, in comparisons with one centroid each.
PICKED, PASS = 32, 20


class Assignment:
    """The nearest centroid of every row, kept up to date.

    Attributes:
        labels: int64 [n].
        own: float64 [n], the row's score against its centroid, or less.
        other: float64 [n], its highest score against any other centroid, or more.
    """

    def __init__(self, scorer: Scorer, centroids: Doubles) -> None:
        self._scorer = scorer
        rows = len(scorer.vectors)
        self.labels = np.zeros(rows, dtype=np.int64)
        self.own: Doubles = np.empty(rows)
        self.other: Doubles = np.empty(rows)
        self._centroids = centroids
        self.compare_all(centroids)

    def compare_all(self, centroids: Doubles) -> None:
        """Every row with every centroid."""
        self._centroids = centroids
        self._scorer.load(centroids)
        for rows, (label, best, other) in self._scorer.all():
            self.labels[rows], self.own[rows], self.other[rows] = label, best, other

    def follow(self, centroids: Doubles) -> None:
        """The centroids moved: bring labels and bounds up to date with few comparisons."""
        shift = np.linalg.norm(centroids - self._centroids, axis=1)
        lengths = (np.einsum("ij,ij->i", c, c) for c in (centroids, self._centroids))
        longer = 0.5 * np.subtract(*lengths)
        rise, fall = shift - longer, shift + longer
        slack = 4.0 * self._scorer.error
        gap = self.own - fall[self.labels] - self.other - slack
        fast, slow = self._fast(rise, gap)
        if fast is None:
            self.compare_all(centroids)
            return
        self._centroids = centroids
        self._scorer.load(centroids)
        self.own -= fall[self.labels]
        self.other += slow
        if len(fast):
            self._meet(fast)
        for rows, (label, best, other) in self._scorer.some(np.flatnonzero(self.own - self.other <= slack)):
            self.labels[rows], self.own[rows], self.other[rows] = label, best, other

    def scores(self) -> Doubles:
        """The score of every row against its centroid, not a bound of it: float64 [n]."""
        return self._scorer.own(self.labels)

    def _fast(self, rise: Doubles, gap: Doubles) -> tuple[Positions | None, float]:
        """The centroids to compare with every row, and the most that a score of the others rose.

        None where comparing everything costs less.
        """
        k, rows = len(rise), len(gap)
        order = np.argsort(-rise, kind="stable")
        least, choice = float(k * rows), None
        number = 0
        while number < k / 2:
            picked = int(np.count_nonzero(gap <= rise[order[number]]))
            cost = picked * (k + PICKED) + rows * (number + PASS if number else 0)
            if cost < least:
                least, choice = cost, number
            number = max(1, 2 * number)
        if choice is None:
            return None, 0.0
        return order[:choice], float(rise[order[choice]])

    def _meet(self, fast: Positions) -> None:
        """Take the scores against some centroids into the bounds of every row."""
        column: NDArray[np.int64] = np.full(len(self._centroids), -1)
        column[fast] = np.arange(len(fast))
        for rows, scores in self._scorer.few(fast):
            own_column = column[self.labels[rows]]
            mine = np.flatnonzero(own_column >= 0)
            self.own[rows][mine] = scores[mine, own_column[mine]]
            scores[mine, own_column[mine]] = -np.inf
            np.maximum(self.other[rows], scores.max(axis=1), out=self.other[rows])
