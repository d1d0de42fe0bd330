"""Disjoint sets over positions, joined in bulk; the root of a set is its smallest position."""

from __future__ import annotations

import numpy as np

from samespace.kernels._vectors import Positions


class UnionFind:
    """``size`` positions, each in a set of its own at first; O(size) memory."""

    def __init__(self, size: int) -> None:
        self._parent: Positions = np.arange(size, dtype=np.int64)

    def roots(self, positions: Positions) -> Positions:
        """The smallest member of each position's set: int64, one per position."""
        root = self._parent[positions]
        while not np.array_equal(above := self._parent[root], root):
            root = above
        self._parent[positions] = root
        return root

    def join(self, left: Positions, right: Positions) -> None:
        """Merge the sets of left[i] and right[i], for every i."""
        while len(left):
            a, b = self.roots(left), self.roots(right)
            apart = a != b
            left, right, a, b = left[apart], right[apart], a[apart], b[apart]
            # Of several parents for one root the smallest wins; the other edges go round again.
            np.minimum.at(self._parent, np.maximum(a, b), np.minimum(a, b))
