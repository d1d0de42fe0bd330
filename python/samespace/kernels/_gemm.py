"""Blocked products of unit vectors, and where they reach a floor: what the engines share, and NumPy's.

Every engine answers the same question: which pairs may have a cosine at or above a floor? None is missed; the
few too many are told apart in float64 by the caller, so results do not depend on the engine.

bfloat16 keeps 8 bits. With e = x - bf16(x) and r = |e|, the product of two rounded unit vectors misses their
cosine by at most r_i + r_j + r_i r_j (Cauchy-Schwarz), plus the float32 accumulation that
``_vectors.margin`` bounds; rounding the result is monotone, so the floor rounded down alike misses nothing.
Half precision of the result is what makes it fast: it stays in the cache until its maxima are taken, over
groups of rows, on its bits as int16, whose order is that of the numbers from +0 up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from samespace.kernels._vectors import Doubles, Floats, Positions, Vectors, margin

# A block is TALL x WIDE numbers, and looked at closer in groups of GROUP rows. Measured on AMX: of the shapes
# from 256 x 2048 to 8192 x 512 this one multiplies fastest (the wide side is what the library packs anew).
TALL, WIDE, GROUP = 4096, 1024, 16
CUDA_BLOCK = 16_384


class Found(NamedTuple):
    """Places at or above their floor: row of the tall side, row of the wide side, product (float32)."""

    tall: Positions
    wide: Positions
    score: Floats


NOTHING = Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


class Side(ABC):
    """Some rows of a Vectors as an engine multiplies them.

    error: float64 [n], how far each row is from the unit vector it stands for; blur: what its products may
    miss beside that.
    """

    blur = 0.0

    def __init__(self, vectors: Vectors, rows: Positions | None) -> None:
        self.vectors = vectors
        # A copy: ``gather`` writes to it.
        self.rows = None if rows is None else rows.copy()
        self.error: Doubles = np.zeros(len(vectors) if rows is None else len(rows))

    def __len__(self) -> int:
        return len(self.error)

    def units(self, rows: slice) -> Floats:
        """float32 [rows, d]: a view where the rows are in place and of length 1."""
        return self.vectors.units(rows if self.rows is None else self.rows[rows])

    def gather(self, at: int, rows: Positions) -> None:
        """Move ``rows`` (ascending) to ``at`` and after it; at <= rows[0], what was there is given up."""
        places = np.arange(len(self)) if self.rows is None else self.rows
        self.rows = places
        places[at : at + len(rows)] = places[rows]
        self.error[at : at + len(rows)] = self.error[rows]

    @abstractmethod
    def block(self, rows: slice) -> Any:
        """The rows as the engine's own matrix."""


class Scorer(ABC):
    """The buffers of one thread. ``pairs`` counts the products formed."""

    def __init__(self) -> None:
        self.pairs = 0
        self._corner = self._size = (0, 0)
        self._maxima: NDArray[Any] = np.empty((0, 0))

    def load(self, tall: Side, rows: slice, wide: Side, columns: slice) -> None:
        """Form the products of tall[rows] x wide[columns]; ``above`` and ``kth`` look at them."""
        self._corner = rows.start, columns.start
        self._size = height, width = rows.stop - rows.start, columns.stop - columns.start
        self.pairs += height * width
        self._maxima = self.multiply(tall.block(rows), wide.block(columns))

    def above(self, floor: Doubles) -> Found:
        """Places of what is loaded whose product may reach ``floor`` (float64 [columns])."""
        height, width = self._size
        codes = self.codes(floor)
        hot = np.flatnonzero(self._maxima >= codes)
        if not len(hot):
            return NOTHING
        group, column = np.divmod(hot, width)
        values = self.pick(group, column)
        at, place = np.nonzero(values >= codes[column][:, None])
        row = group[at] * GROUP + place
        if height % GROUP:
            real = row < height
            at, place, row = at[real], place[real], row[real]
        return Found(row + self._corner[0], column[at] + self._corner[1], self.scores(values[at, place]))

    def kth(self, k: int) -> Doubles:
        """A product that at least k rows of each column reach: float64 [columns], -inf where none is known.

        The k-th largest maximum of a group where there are groups enough, else of all products.
        """
        codes = self._maxima if 4 * k <= len(self._maxima) else self.all_codes()
        if k > self._size[0]:
            return np.full(self._size[1], -np.inf)
        # Of padding, which is -inf, no code counts among the first k.
        largest = np.partition(np.ascontiguousarray(codes.T), -k, axis=1)[:, -k]
        result = self.scores(largest).astype(np.float64)
        return np.where(largest >= 0, result, -np.inf)

    @abstractmethod
    def multiply(self, tall: Any, wide: Any) -> NDArray[Any]:
        """Fill the buffer with the products; the maxima of groups of GROUP rows: codes [groups, columns]."""

    @abstractmethod
    def pick(self, group: Positions, column: Positions) -> NDArray[Any]:
        """Codes [n, GROUP] of the buffer: of group[i] in column[i]."""

    @abstractmethod
    def all_codes(self) -> NDArray[Any]:
        """Codes [rows, columns] of everything that is loaded, padding included."""

    @abstractmethod
    def codes(self, floor: Doubles) -> NDArray[Any]:
        """Floors as the buffer holds numbers, rounded down: whatever is below is below for sure."""

    @abstractmethod
    def scores(self, codes: NDArray[Any]) -> Floats:
        """Codes as float32 numbers."""


class Engine(ABC):
    """How to multiply: makes sides and scorers.

    rounding: relative error of a product as it is kept; nanoseconds: of a core, about, per number multiplied.
    """

    name: str
    rounding = 0.0
    nanoseconds = 2 / 150
    tall, wide = TALL, WIDE

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._scorers: dict[int, Scorer] = {}

    @abstractmethod
    def side(self, vectors: Vectors, rows: Positions | None = None) -> Side:
        """Rows (all, or some by position) ready to be multiplied."""

    def scorer(self, thread: int) -> Scorer:
        """The buffers of a thread (0, 1 ...), made when first asked for."""
        if thread not in self._scorers:
            self._scorers[thread] = self.new_scorer()
        return self._scorers[thread]

    @property
    def pairs(self) -> int:
        """How many products of two vectors were formed so far."""
        return sum(scorer.pairs for scorer in self._scorers.values())

    @abstractmethod
    def new_scorer(self) -> Scorer:
        """Buffers for one more thread."""

    def precise(self) -> Engine:
        """An engine that multiplies in float32 (itself where it does)."""
        return self

    def running(self) -> AbstractContextManager[None]:
        """Held while the engine is in use: what it changes of its library comes back after it."""
        return nullcontext()

    def begin_thread(self) -> None:
        """Called in every thread that multiplies, before it does."""
        return


def slack(tall: Side, rows: slice, wide: Side, columns: slice) -> Doubles:
    """By how much a product may miss the rounded cosine: float64 [columns], for any of the rows."""
    most = tall.error[rows].max(initial=0.0)
    error = wide.error[columns]
    result: Doubles = most + error + most * error + margin(tall.vectors.dimension) + max(tall.blur, wide.blur)
    return result


def reach(top: Doubles, width: Doubles, rounding: float) -> Doubles:
    """The least product a row as close as that of product ``top`` may have; ``width``: the slack of both."""
    with np.errstate(invalid="ignore"):
        least = top - 2 * width - 2 * rounding * np.abs(top)
    return np.where(np.isfinite(top), least, -np.inf)


class NumpySide(Side):
    def block(self, rows: slice) -> Floats:
        return self.units(rows)


class NumpyScorer(Scorer):
    def __init__(self, tall: int, wide: int) -> None:
        super().__init__()
        self._buffer = np.empty((tall + GROUP) * wide, dtype=np.float32)
        self._groups: NDArray[np.float32] = np.empty((0, GROUP, 0), dtype=np.float32)

    def multiply(self, tall: Floats, wide: Floats) -> NDArray[Any]:
        height, width = len(tall), len(wide)
        groups = -(-height // GROUP)
        padded = self._buffer[: groups * GROUP * width].reshape(-1, width)
        np.matmul(tall, wide.T, out=padded[:height])
        padded[height:] = -np.inf
        self._groups = padded.reshape(groups, GROUP, width)
        return np.asarray(self._groups.max(axis=1))

    def pick(self, group: Positions, column: Positions) -> NDArray[Any]:
        return self._groups[group, :, column]

    def all_codes(self) -> NDArray[Any]:
        return self._groups.reshape(-1, self._groups.shape[2])

    def codes(self, floor: Doubles) -> NDArray[Any]:
        return np.nextafter(floor.astype(np.float32), np.float32(-np.inf))

    def scores(self, codes: NDArray[Any]) -> Floats:
        return np.asarray(codes, dtype=np.float32)


class NumpyEngine(Engine):
    """float32 with NumPy's BLAS, which brings threads of its own; the vectors are used in place."""

    name = "numpy fp32"

    def side(self, vectors: Vectors, rows: Positions | None = None) -> Side:
        return NumpySide(vectors, rows)

    def new_scorer(self) -> Scorer:
        return NumpyScorer(self.tall, self.wide)
