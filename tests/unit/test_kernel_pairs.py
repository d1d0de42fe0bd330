"""Pairs and threshold joins against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import all_cosines, blobs, matrices, thresholds
from kernel_engines import every_engine, use
from numpy.typing import NDArray
from samespace.errors import KernelError
from samespace.kernels import _vectors
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import Vectors, first_copies, round_similarity
from samespace.kernels.pairs import PAIRS, pairs, within_self, within_threshold


def rows_of(batch: object) -> list[tuple[float, ...]]:
    return [tuple(row.values()) for row in batch.to_pylist()]  # type: ignore[attr-defined]


@given(matrices(), thresholds)
def test_pairs_equal_brute_force(matrix: NDArray[np.float32], threshold: float) -> None:
    expected = [(i, j, s) for (i, j), s in all_cosines(matrix, matrix).items() if i < j and s >= threshold]
    found = pairs(matrix, threshold)
    assert found.schema == PAIRS
    assert rows_of(found) == sorted(expected)


@given(matrices(12), matrices(12), thresholds)
def test_within_threshold_equals_brute_force(
    matrix: NDArray[np.float32], queries: NDArray[np.float32], threshold: float
) -> None:
    expected = [(q, r, s) for (q, r), s in all_cosines(queries, matrix).items() if s >= threshold]
    found = rows_of(within_threshold(matrix, queries, threshold))
    assert found == sorted(expected, key=lambda row: (row[0], -row[2], row[1]))


@given(matrices(), thresholds, st.data())
def test_rows_of_one_entity_never_pair(
    matrix: NDArray[np.float32], threshold: float, data: st.DataObject
) -> None:
    size = len(matrix)
    entity = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), dtype=np.int64)
    found = rows_of(pairs(matrix, threshold, entity=entity))
    everything = rows_of(pairs(matrix, threshold))
    assert found == [row for row in everything if entity[int(row[0])] != entity[int(row[1])]]


def test_within_self_holds_both_directions() -> None:
    matrix = blobs(60, 8, 4, 0.3)
    once = rows_of(pairs(matrix, 0.8))
    both = {(q, n, s) for q, n, s in rows_of(within_self(matrix, 0.8))}
    assert both == {(a, b, s) for a, b, s in once} | {(b, a, s) for a, b, s in once}


@every_engine
def test_blocks_do_not_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = 3 * blobs(300, 16, 12, 0.4)
    matrix[40:44] = matrix[7]
    whole = rows_of(pairs(matrix, 0.8))
    assert whole == [(i, j, s) for (i, j), s in all_cosines(matrix, matrix).items() if i < j and s >= 0.8]
    use(monkeypatch, name, tall=23, wide=11)
    monkeypatch.setattr(_vectors, "DOUBLES_AT_ONCE", 5)
    assert whole
    assert rows_of(pairs(matrix, 0.8)) == whole


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.85, 0.9, 0.95])
def test_pairs_at_the_edge_are_exact(threshold: float) -> None:
    """Rows a hair above and below the threshold in 384 dimensions: float32 alone would misplace some."""
    draw = np.random.default_rng(3)
    basis = np.linalg.qr(draw.normal(size=(384, 2)))[0].T
    wanted = threshold + np.linspace(-3e-6, 3e-6, 61)
    rows = np.vstack([basis[:1], wanted[:, None] * basis[0] + np.sqrt(1 - wanted[:, None] ** 2) * basis[1]])
    matrix = rows.astype(np.float32)
    expected = {pair: s for pair, s in all_cosines(matrix[:1], matrix).items() if pair[1] and s >= threshold}
    found = {(a, b): s for a, b, s in rows_of(pairs(matrix, threshold)) if a == 0}
    assert found == expected


def test_too_many_pairs_stop_with_the_count() -> None:
    copies = np.tile(blobs(1, 8, 1, 0.1), (100, 1))
    with pytest.raises(
        KernelError, match=r"at least 4,950 pairs.*from equal vectors alone.*max_pairs is 1,000"
    ):
        pairs(copies, 0.9, max_pairs=1000)
    with pytest.raises(KernelError, match=r"at least [\d,]+ pairs are at or above -1.0"):
        pairs(blobs(100, 8, 4, 0.5), -1.0, max_pairs=1000)


@pytest.mark.parametrize("threshold", [1.01, -2, float("nan")])
def test_threshold_is_a_similarity(threshold: float) -> None:
    with pytest.raises(KernelError, match="threshold="):
        pairs(blobs(3, 4, 1, 0.1), threshold)


def test_dimensions_must_agree() -> None:
    with pytest.raises(KernelError, match="different spaces"):
        within_threshold(blobs(3, 4, 1, 0.1), blobs(3, 5, 1, 0.1), 0.5)
    with pytest.raises(KernelError, match="1 dimensions"):
        pairs(np.zeros(3, np.float32), 0.5)


@given(matrices())
def test_first_copies(matrix: NDArray[np.float32]) -> None:
    usable = Vectors.of(matrix)
    expected = [next(j for j, b in enumerate(usable.values) if (a == b).all()) for a in usable.values]
    assert first_copies(usable).tolist() == expected


def test_rounding_is_that_of_sql() -> None:
    assert round_similarity(np.array([1 / 128, -1 / 128, 0.9999999, -0.0])).tolist() == [
        0.007813,
        -0.007813,
        1,
        0,
    ]


def test_progress_says_how_far_and_how_long() -> None:
    lines: list[str] = []
    times = iter([0.0, 1.0, 4.0, 5.0, 20.0])
    progress = Progress("pairs", 100, lines.append, clock=lambda: next(times))
    for _ in range(4):
        progress.add(20)
    assert lines == ["pairs: 40 % (4 s, about 6 s to go)", "pairs: 80 % (20 s, about 5 s to go)"]
