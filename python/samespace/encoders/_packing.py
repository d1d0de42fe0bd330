"""Texts of many lengths laid end to end in rows of one length, so that hardly any token is padding.

A row (*bin*) holds several texts; attention is told apart by segment numbers. Every full batch has the
same shape, which is what the matrix libraries cache their kernels by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CLASSES = (64, 128, 256, 512)
_STEP, _WIDEST = 16, 128
# Cost of a token without attention against that of each further column of its attention, measured on MiniLM.
_TOKEN_COST, _COLUMN_COST = 500.0, 1.0


@dataclass(frozen=True)
class Packed:
    """One batch of ``bins`` x ``width`` tokens.

    texts: int64 [n], which texts it holds; starts: int64 [n], where the first token of each lies;
    places: int64 [tokens], where the tokens of all texts lie, text by text; firsts: int64 [n], where each
    text begins in ``places``; ids, positions: int64 [bins * width]; segments: int32 [bins, width], 0 where
    there is no token.
    """

    texts: NDArray[np.int64]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    firsts: NDArray[np.int64]
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int32]


def packed(rows: Sequence[Sequence[int]], budget: int) -> Iterator[Packed]:
    """Batches of at most about ``budget`` tokens (one bin where a text is longer), longest texts first.

    rows: token ids per text, none of them empty. Every text is in exactly one batch.
    """
    import numpy as np

    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    upper = np.searchsorted(np.asarray(_CLASSES), lengths)
    for kind in np.unique(upper)[::-1]:
        members = np.flatnonzero(upper == kind)
        width, bins = _best_bins(lengths[members].tolist())
        size = max(1, budget // width)
        for start in range(0, len(bins), size):
            chosen = [[int(members[place]) for place in row] for row in bins[start : start + size]]
            yield _laid_out(rows, chosen, width, _rounded(len(chosen), size))


def _best_bins(lengths: Sequence[int]) -> tuple[int, list[list[int]]]:
    """The width, out of a few, whose bins cost least in all."""
    longest = max(lengths)
    first = -(-longest // _STEP) * _STEP
    best: tuple[float, int, list[list[int]]] | None = None
    # a wider bin leaves smaller holes, and costs more attention
    for width in range(first, min(3 * first, first + _WIDEST) + 1, _STEP):
        bins = filled_bins(lengths, width)
        cost = len(bins) * width * (_TOKEN_COST + _COLUMN_COST * width)
        if best is None or cost < best[0]:
            best = cost, width, bins
        if len(bins) == 1:
            break
    assert best is not None
    return best[1], best[2]


def filled_bins(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Positions by bin: each bin takes the longest that still fits, until nothing does."""
    waiting: list[list[int]] = [[] for _ in range(width + 1)]
    for position, length in enumerate(lengths):
        waiting[length].append(position)
    kinds = sorted({int(length) for length in lengths}, reverse=True)
    bins: list[list[int]] = []
    while kinds:
        room, row = width, []
        for length in kinds:
            while length <= room and waiting[length]:
                row.append(waiting[length].pop())
                room -= length
        bins.append(row)
        kinds = [length for length in kinds if waiting[length]]
    return bins


def _rounded(count: int, size: int) -> int:
    """A few sizes only for the last batch of a kind: each new shape costs milliseconds to prepare for."""
    step = max(1, size // 8) if count > 4 else 1 << (count - 1).bit_length()
    return min(size, -(-count // step) * step)


def _laid_out(rows: Sequence[Sequence[int]], bins: Sequence[Sequence[int]], width: int, count: int) -> Packed:
    import numpy as np

    texts = np.fromiter((text for row in bins for text in row), dtype=np.int64)
    lengths = np.fromiter((len(rows[text]) for text in texts), dtype=np.int64, count=len(texts))
    owner = np.repeat(np.arange(len(bins)), [len(row) for row in bins])
    first = np.cumsum([0, *(len(row) for row in bins)])[:-1]
    before = np.cumsum(lengths) - lengths
    starts = owner * width + before - before[first][owner]
    within = np.arange(lengths.sum()) - np.repeat(before, lengths)
    places = np.repeat(starts, lengths) + within
    ids, positions = np.zeros((2, count * width), dtype=np.int64)
    segments = np.zeros(count * width, dtype=np.int32)
    ids[places] = np.concatenate([np.asarray(rows[text], dtype=np.int64) for text in texts])
    positions[places] = within
    segments[places] = np.repeat(np.arange(1, len(texts) + 1), lengths)
    return Packed(texts, starts, places, before, ids, positions, segments.reshape(count, width))
