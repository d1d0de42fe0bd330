"""What every kernel needs from a matrix: usable rows, unit blocks, and similarities that SQL agrees with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samespace.errors import KernelError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Positions = NDArray[np.int64]
Log = Callable[[str], None]

NORM_TOLERANCE = 1e-6
GATHER = 8192
# Rows that go through float64 at once: both sides stay in a core's cache, a third of the time of 8,192.
DOUBLES_AT_ONCE = 128


@dataclass(frozen=True)
class Vectors:
    """The usable rows of a matrix: finite and not zero.

    Attributes:
        values: float32 [m, d], the usable rows as they came (not normalised).
        norms: float64 [m], their Euclidean lengths, all > 0.
        positions: int64 [m], ascending: where each row was in the matrix handed over.
        unit: whether every length is 1 within 1e-6, so that a dot product is a cosine.
    """

    values: Floats
    norms: Doubles
    positions: Positions
    unit: bool

    @classmethod
    def of(cls, matrix: Floats, norms: Doubles | None = None) -> Vectors:
        """Wrap float32 [n, d]; rows holding NaN or Inf and zero rows are left out.

        ``norms``: float64 [n], the lengths where the caller knows them. A copy of the usable rows is made
        only where a row is left out. Raises KernelError when ``matrix`` is not two-dimensional.
        """
        if matrix.ndim != 2:
            raise KernelError(f"a kernel takes a matrix [rows, dimension], not {matrix.ndim} dimensions")
        values = np.ascontiguousarray(matrix, dtype=np.float32)
        if norms is None:
            norms = row_norms(values)
        usable = np.isfinite(norms) & (norms > 0)
        positions = np.flatnonzero(usable)
        if len(positions) < len(values):
            values, norms = values[positions], norms[positions]
        return cls(values, norms, positions, bool(np.all(np.abs(norms - 1) <= NORM_TOLERANCE)))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dimension(self) -> int:
        return int(self.values.shape[1])

    def take(self, rows: Positions) -> Vectors:
        """Some of the rows, copied; their ``positions`` are those in this object."""
        return Vectors(self.values[rows], self.norms[rows], rows, self.unit)

    def units(self, rows: slice | Positions) -> Floats:
        """Unit vectors of some rows: float32 [rows, d], a view where that is possible."""
        block: Floats = self.values[rows]
        if self.unit:
            return block
        return (block / self.norms[rows, None]).astype(np.float32)


def row_norms(values: Floats) -> Doubles:
    """Euclidean length of every row in float64 (not finite where a value is not): float64 [n]."""
    norms = np.empty(len(values), dtype=np.float64)
    for start in range(0, len(values), DOUBLES_AT_ONCE):
        block = values[start : start + DOUBLES_AT_ONCE].astype(np.float64)
        norms[start : start + DOUBLES_AT_ONCE] = np.einsum("ij,ij->i", block, block)
    return np.sqrt(norms, out=norms)


def margin(dimension: int) -> float:
    """By how much a float32 dot product of two unit vectors may miss the rounded float64 cosine.

    ``d * 2**-24`` bounds the accumulation error (Higham, Accuracy and Stability of Numerical
    Algorithms, 3.1); the constant covers float32 inputs, lengths within NORM_TOLERANCE and rounding.
    """
    return 1e-5 + dimension * 2.0**-24


def round_similarity(values: Doubles) -> Doubles:
    """Six decimals, half away from zero as SQL rounds (NumPy's own rounding is half to even)."""
    rounded: Doubles = np.copysign(np.floor(np.abs(values) * 1e6 + 0.5), values) / 1e6
    return rounded + 0.0


def exact_similarity(left: Vectors, left_rows: Positions, right: Vectors, right_rows: Positions) -> Doubles:
    """Cosine of row pairs in float64, clamped to [-1, 1] and rounded to 6 decimals: float64 [pairs]."""
    result = np.empty(len(left_rows), dtype=np.float64)
    for start in range(0, len(left_rows), DOUBLES_AT_ONCE):
        part = slice(start, start + DOUBLES_AT_ONCE)
        a, b = left.values[left_rows[part]], right.values[right_rows[part]]
        result[part] = np.einsum("ij,ij->i", a.astype(np.float64), b.astype(np.float64))
    result /= left.norms[left_rows] * right.norms[right_rows]
    return round_similarity(np.clip(result, -1.0, 1.0))


def first_copies(vectors: Vectors) -> Positions:
    """For every row the first row with the same vector (itself when there is none): int64 [m].

    Equal vectors have equal lengths, so only rows that share their length with another are looked at.
    """
    representative: Positions = np.arange(len(vectors))
    order = np.argsort(vectors.norms, kind="stable")
    sorted_norms = vectors.norms[order]
    twin = np.flatnonzero(np.diff(sorted_norms) == 0)
    shared = np.unique(order[np.append(twin, twin + 1)])
    _, first, group = np.unique(_row_hashes(vectors.values, shared), return_index=True, return_inverse=True)
    candidate = shared[first[group]]
    for start in range(0, len(shared), GATHER):
        part = slice(start, start + GATHER)
        same = np.all(vectors.values[shared[part]] == vectors.values[candidate[part]], axis=1)
        # Different vectors with one hash stay apart: they are compared like any other two rows.
        representative[shared[part][same]] = candidate[part][same]
    return representative


def _row_hashes(values: Floats, rows: Positions) -> NDArray[np.uint64]:
    draw = np.random.default_rng(0)
    weights = draw.integers(1, 2**63, size=values.shape[1], dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), DOUBLES_AT_ONCE):
        part = slice(start, start + DOUBLES_AT_ONCE)
        # Adding zero turns -0.0 into 0.0, so that equal vectors have equal bits.
        bits = (values[rows[part]] + np.float32(0)).view(np.uint32).astype(np.uint64)
        hashes[part] = (bits * weights).sum(axis=1, dtype=np.uint64)
    return hashes


def copies_of(first: Positions) -> tuple[Positions, Positions]:
    """Rows that are first of their vector, int64 [u], and for every row its place among them, int64 [m]."""
    distinct = np.flatnonzero(first == np.arange(len(first)))
    return distinct, np.searchsorted(distinct, first)


def threshold_or_error(threshold: float) -> float:
    """The threshold as a float; KernelError when it is no cosine similarity."""
    if not -1.0 <= threshold <= 1.0:
        raise KernelError(f"threshold={threshold} is not a cosine similarity; pass a number from -1 to 1")
    return float(threshold)


def silent(message: str) -> None:
    """The log of a kernel that nobody listens to."""
