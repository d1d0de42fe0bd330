"""When vectors made twice are those of one model: the thresholds of the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEAN_COSINE, MIN_COSINE, NORM_TOLERANCE = 0.9998, 0.999, 1e-3


def agreement(
    stored: NDArray[np.float32], fresh: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and ratio of lengths per row of two float32 [n, d] arrays: float64 [n] each.

    A row without a vector (all zeros) is equal to itself and to nothing else.
    """
    import numpy as np

    a, b = stored.astype(np.float64), fresh.astype(np.float64)
    norm_a, norm_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    both_zero = (norm_a == 0) & (norm_b == 0)
    scale = np.where(norm_a * norm_b == 0, 1.0, norm_a * norm_b)
    cosine = np.where(both_zero, 1.0, (a * b).sum(axis=1) / scale)
    ratio = np.where(both_zero, 1.0, norm_b / np.where(norm_a == 0, 1.0, norm_a))
    return cosine, ratio


def agrees(cosine: NDArray[np.float64], ratio: NDArray[np.float64]) -> bool:
    """Whether vectors are those of one model: the three thresholds of the gate."""
    import numpy as np

    return bool(
        cosine.mean() >= MEAN_COSINE
        and cosine.min() >= MIN_COSINE
        and np.abs(ratio - 1).max() <= NORM_TOLERANCE
    )
