"""Neighbours of a block of queries that are still in the race for the k best, while blocks of rows pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samespace.kernels._gemm import reach
from samespace.kernels._vectors import Doubles, Positions


class Pool(NamedTuple):
    """Query (within its block), row, and product or similarity (float32 or float64), of each candidate."""

    query: Positions
    row: Positions
    score: NDArray[np.floating]


EMPTY = Pool(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


class Race:
    """Candidates of ``queries`` queries; ``width`` is the slack of any product, float64 [queries].

    top: float64 [queries], a product that k rows reach; what is below ``floor`` cannot win.
    """

    def __init__(self, queries: int, k: int, width: Doubles, rounding: float) -> None:
        self.k, self.width, self._rounding = k, width, rounding
        self.top = np.full(queries, -np.inf)
        self.pool = EMPTY
        self._parts: list[Pool] = []
        self._waiting = 0

    @property
    def floor(self) -> Doubles:
        """The least product that may still belong to one of the k best: float64 [queries]."""
        return reach(self.top, self.width, self._rounding)

    @property
    def waiting(self) -> int:
        """Candidates that came since the last ``trim``."""
        return self._waiting

    def add(self, part: Pool) -> None:
        self._parts.append(part)
        self._waiting += len(part.query)

    def trim(self) -> None:
        """Raise every query's floor to its k-th best and drop what cannot reach it."""
        parts = [self.pool, *self._parts]
        self._parts, self._waiting = [], 0
        query, row, score = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(_key(query, score))
        query, row, score = query[order], row[order], score[order]
        starts = np.searchsorted(query, np.arange(len(self.top) + 1))
        full = np.flatnonzero(np.diff(starts) >= self.k)
        self.top[full] = np.maximum(self.top[full], score[starts[full] + self.k - 1])
        keep = score >= self.floor[query]
        self.pool = Pool(query[keep], row[keep], score[keep])


def _key(query: Positions, score: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Numbers that sort by query, then by score, best first: one sort of integers instead of two of pairs."""
    bits = score.astype(np.float32).view(np.int32)
    ascending = np.where(bits >= 0, bits, bits ^ np.int32(0x7FFFFFFF)).astype(np.int64)
    key: NDArray[np.uint64] = ((query << 32) + (2**31 - 1 - ascending)).astype(np.uint64)
    return key


def place_in_run(values: Positions) -> Positions:
    """0, 1, 2 ... within each run of equal neighbours: int64 [n]."""
    first = np.flatnonzero(np.diff(values, prepend=-1))
    place: Positions = np.arange(len(values)) - np.repeat(first, np.diff(np.append(first, len(values))))
    return place
