"""A few numbers per vector that bound every cosine from above: all that a threshold needs, for less work.

With an orthonormal basis W of p - 1 directions, x.y = (W'x).(W'y) + rest.rest <= (W'x).(W'y) + r_x r_y, where
r = |x - WW'x| (Cauchy-Schwarz). So z = (W'x, r) is a unit vector of p numbers and z_x.z_y >= x.y: pairs whose
sketches stay below the threshold are no pairs. W are the leading eigenvectors of a sample's second moments,
for which r is small on average; the sample also says how many pairs a sketch lets through, so if it pays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samespace.kernels._gemm import Engine
from samespace.kernels._vectors import Doubles, Floats, Positions, Vectors, margin

SIZES = (64, 128, 192)
SAMPLE, TRIED = 2048, 1024
# Nanoseconds of a core that the products must cost before a basis, a fifth of that, may save some.
WORTH = 4e8
# Nanoseconds of a core: to look at a pair in float64; per pair beside the product.
LOOK, SCAN = 700.0, 0.1
_CHUNK = 1024


@dataclass(frozen=True)
class Sketch:
    """vectors: the sketches, of length 1 and a little more; blur: by how much their product may still miss;
    rest: float64 [n], how much of each row the basis leaves out (a cosine is at least z.z - 2 rest rest)."""

    vectors: Vectors
    blur: float
    rest: Doubles

    @classmethod
    def of(cls, vectors: Vectors, rows: Positions, basis: Floats) -> Sketch:
        """Of some rows, by an orthonormal basis float32 [d, p - 1]."""
        size = basis.shape[1] + 1
        # |computed W'x - W'x|: accumulation over d in p - 1 coordinates, and W itself rounded to float32.
        error = (vectors.dimension + 2) * 2.0**-24 * np.sqrt(size) + 2e-6
        blur = 2 * error + error * error
        values = np.empty((len(rows), size), dtype=np.float32)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            np.matmul(vectors.units(rows[part]), basis, out=values[part, :-1])
            inside = np.einsum("ij,ij->i", values[part, :-1], values[part, :-1], dtype=np.float64)
            values[part, -1] = np.sqrt(np.maximum(1 - inside, 0) + blur)
        ones = np.ones(len(rows))
        rest = values[:, -1].astype(np.float64)
        return cls(Vectors(values, ones, np.arange(len(rows)), True), 2 * blur, rest)


def sketch(vectors: Vectors, rows: Positions, threshold: float, engine: Engine) -> Sketch | None:
    """Sketches of these rows, in the size fastest for ``engine``; None where the vectors themselves are."""
    products = len(rows) * (len(rows) - 1) / 2 * engine.nanoseconds * vectors.dimension
    if products < WORTH or vectors.dimension <= SIZES[0]:
        return None
    chosen = np.random.default_rng(0).choice(len(rows), min(SAMPLE, len(rows)), replace=False)
    sample = vectors.units(np.sort(rows[chosen]))
    _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    basis = np.ascontiguousarray(directions[:, ::-1].astype(np.float32))
    # The sample is in the order of the rows: every second one is no other sample than all.
    sample = np.ascontiguousarray(sample[:: SAMPLE // TRIED])
    some = Vectors(sample, np.ones(len(sample)), np.arange(len(sample)), True)
    floor = threshold - margin(vectors.dimension) - 2 * engine.rounding
    true = _share(sample, floor)
    best, cost = 0, SCAN + engine.nanoseconds * vectors.dimension
    for size in (size for size in SIZES if size < vectors.dimension):
        small = Sketch.of(some, np.arange(len(sample)), basis[:, : size - 1])
        extra = _share(small.vectors.values, floor - small.blur) - true
        needed = SCAN + engine.nanoseconds * size + LOOK * extra
        if needed < cost:
            best, cost = size, needed
    return Sketch.of(vectors, rows, basis[:, : best - 1]) if best else None


def _share(values: Floats, floor: float) -> float:
    """Which part of all pairs reaches the floor."""
    return float((values @ values.T >= floor).sum() - len(values)) / (len(values) * (len(values) - 1))
