"""Cells against brute force: assignment, what a share of the rows finds, and the same cells every time."""

from __future__ import annotations

import numpy as np
import pytest
from samespace.errors import KernelError
from samespace.kernels.cells import Calibration, Middles, assign, cells_for, train


def clustered(rows: int, groups: int = 40, dimension: int = 32) -> np.ndarray:
    draw = np.random.default_rng(0)
    middle = draw.normal(size=(groups, dimension))
    points = middle[draw.integers(0, groups, rows)] + 0.7 * draw.normal(size=(rows, dimension))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(4000)
CENTROIDS = train(VECTORS[:2000], 100)


def calibrated(share: float | None, recall: float = 0.9) -> list:
    labels = assign(VECTORS, CENTROIDS)
    calibration = Calibration(VECTORS[-300:])
    own = np.full(len(VECTORS), -1)
    own[-300:] = np.arange(300)
    for start in range(0, len(VECTORS), 700):
        rows = slice(start, start + 700)
        calibration.see(VECTORS[rows], labels[rows], own[rows])
    sizes = np.bincount(labels, minlength=100)
    return calibration.measure(CENTROIDS, sizes, recall=recall, share=share)


def brute_force(share: float, depth: int) -> float:
    """Mean recall of opening cells, nearest first, until those before hold the share."""
    labels = assign(VECTORS, CENTROIDS)
    found = []
    for place in range(len(VECTORS) - 300, len(VECTORS)):
        similarity = VECTORS @ VECTORS[place]
        similarity[place] = -2
        wanted = set(np.argsort(-similarity)[:depth].tolist())
        seen: list[int] = []
        for cell in np.argsort(-(CENTROIDS @ VECTORS[place]), kind="stable"):
            if len(seen) >= share * len(VECTORS):
                break
            seen.extend(np.flatnonzero(labels == cell).tolist())
        found.append(len(wanted & set(seen)) / depth)
    return float(np.mean(found))


def test_every_row_is_in_the_cell_of_its_nearest_centroid() -> None:
    exact = VECTORS.astype(np.float64) @ CENTROIDS.astype(np.float64).T
    chosen = exact[np.arange(len(VECTORS)), assign(VECTORS, CENTROIDS)]
    assert np.abs(chosen - exact.max(axis=1)).max() < 1e-6
    assert np.abs(np.linalg.norm(CENTROIDS, axis=1) - 1).max() < 1e-5


@pytest.mark.parametrize(("place", "depth"), [(0, 10), (1, 100)])
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_a_share_finds_what_brute_force_finds(place, depth, share) -> None:
    measured = calibrated(share)[place]
    assert measured.depth == depth
    assert measured.recall == pytest.approx(brute_force(share, depth), abs=1e-6)


def test_the_least_share_reaches_the_recall() -> None:
    ten, hundred = calibrated(None)
    assert 0.9 <= ten.recall <= 0.97
    assert 0 < ten.share < hundred.share < 1
    assert calibrated(ten.share * 0.8)[0].recall < ten.recall


def test_middles_are_the_directions_of_the_means_of_all_rows() -> None:
    labels = assign(VECTORS, CENTROIDS)
    middles = Middles(CENTROIDS)
    for start in range(0, len(VECTORS), 700):
        middles.see(VECTORS[start : start + 700], labels[start : start + 700])
    for cell in np.unique(labels):
        mean = VECTORS[labels == cell].astype(np.float64).mean(axis=0)
        assert middles.result()[cell] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_a_cell_without_rows_keeps_its_centroid() -> None:
    middles = Middles(CENTROIDS[:3])
    middles.see(np.vstack([VECTORS[:1], -VECTORS[:1]]), np.array([1, 1]))
    assert np.array_equal(middles.result(), CENTROIDS[:3])


def test_equal_input_gives_equal_cells() -> None:
    assert np.array_equal(train(VECTORS[:2000], 100), CENTROIDS)


def test_every_row_is_a_cell_where_there_are_as_many() -> None:
    few = VECTORS[:5]
    assert sorted(assign(few, train(few, 5)).tolist()) == [0, 1, 2, 3, 4]


def test_identical_rows_make_one_cell_that_is_found() -> None:
    same = np.tile(VECTORS[:1], (50, 1))
    assert len(set(assign(same, train(same, 4)).tolist())) == 1


def test_more_cells_than_rows_are_refused() -> None:
    with pytest.raises(KernelError, match="9 cells, but 5 vectors"):
        train(VECTORS[:5], 9)


def test_the_number_of_cells_grows_with_the_root() -> None:
    assert [cells_for(rows) for rows in (1, 100, 10_000, 1_000_000)] == [1, 12, 800, 8000]
    assert cells_for(10**10) == 32_768
