"""Lloyd's iteration with bounds ends where the plain one ends, and compares less and less on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import blobs
from numpy.typing import NDArray
from samespace.kernels._bounds import Assignment
from samespace.kernels._breathing import breathe
from samespace.kernels._lloyd import Fit, lloyd, members
from samespace.kernels._products import HalfScorer, Scorer
from samespace.kernels._progress import Progress
from samespace.kernels._seeding import ONE_BY_ONE, extend
from samespace.kernels._settings import Settings
from samespace.kernels._vectors import Vectors, silent
from samespace.kernels.kmeans import kmeans

Labels = NDArray[np.int64]
Doubles = NDArray[np.float64]
QUIET = Progress("test", 300.0, silent)


def plain(matrix: NDArray[np.float32], centroids: Doubles, rounds: int = 300) -> tuple[Labels, Doubles]:
    """Every row with every centroid in every round, in float64; no clusters go empty here."""
    points = matrix.astype(np.float64)
    labels = np.full(len(points), -1)
    for _ in range(rounds):
        scores = points @ centroids.T - 0.5 * (centroids**2).sum(axis=1)
        if np.array_equal(scores.argmax(axis=1), labels):
            break
        labels = scores.argmax(axis=1)
        assert (np.bincount(labels, minlength=len(centroids)) > 0).all()
        centroids = np.array([points[labels == c].mean(axis=0) for c in range(len(centroids))])
    return labels, centroids


def run(matrix: NDArray[np.float32], centroids: Doubles, scorer: Scorer | None = None) -> Fit:
    return lloyd(Vectors.of(matrix), centroids, tolerance=0.0, progress=QUIET, scorer=scorer)


@pytest.mark.parametrize("noise", [0.1, 0.8, 30.0], ids=["clear", "overlapping", "random"])
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_are_those_of_the_plain_iteration(noise: float, seed: int) -> None:
    matrix = blobs(3000, 24, 30, noise, seed)
    start = matrix[:25].astype(np.float64)
    labels, centroids = plain(matrix, start)
    fit = run(matrix, start)
    assert fit.settled
    assert np.array_equal(fit.labels, labels)
    assert np.allclose(fit.centroids, centroids, atol=1e-6)
    assert fit.inertia == pytest.approx(float(((matrix - centroids[labels]) ** 2).sum()), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.sampled_from([1, 4, 20]), st.booleans())
def test_what_is_skipped_would_not_have_moved(seed: int, k: int, copies: int, half: bool) -> None:
    """Centroids on a walk over data with copies: the label is as near as any after every step."""
    matrix = np.repeat(blobs(60, 6, 5, 0.7, seed), copies, axis=0)
    draw = np.random.default_rng(seed)
    centroids = matrix[draw.integers(0, len(matrix), k)].astype(np.float64)
    vectors = Vectors.of(matrix)
    if half:
        pytest.importorskip("torch")
    now = Assignment((HalfScorer if half else Scorer)(vectors), centroids)
    for step in (0.3, 0.0, 0.02, 0.001, 0.001, 0.1):
        moving = draw.random(k) < 0.5
        centroids = centroids + step * moving[:, None] * draw.normal(size=centroids.shape)
        now.follow(centroids)
        scores = matrix @ centroids.T - 0.5 * (centroids**2).sum(axis=1)
        own = scores[np.arange(len(matrix)), now.labels]
        assert (own >= scores.max(axis=1) - 1e-5).all()
        assert (now.own <= own + 1e-5).all()
        scores[np.arange(len(matrix)), now.labels] = -np.inf
        assert (now.other >= scores.max(axis=1) - 1e-5).all()


def test_rounds_compare_less_and_less() -> None:
    matrix = blobs(6000, 32, 40, 0.6)
    fit = run(matrix, extend(Vectors.of(matrix), np.empty((0, 32)), 40, np.random.default_rng(0)))
    every = len(matrix) * 40
    assert fit.settled
    assert len(fit.compared) == len(fit.history)
    assert fit.compared[0] == every
    assert max(fit.compared) <= every
    assert sum(fit.compared[-5:]) < 0.5 * 5 * every
    assert fit.compared[-1] < 0.1 * every
    assert (np.diff(fit.history) <= 1e-6).all()


def test_comparisons_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the rows cost at most about four times the comparisons, the search for a start included."""
    totals = []
    for rows in (20_000, 80_000):
        seen: list[Scorer] = []
        made = Scorer.__init__

        def note(self: Scorer, vectors: Vectors, made=made, seen=seen) -> None:  # type: ignore[no-untyped-def]
            made(self, vectors)
            seen.append(self)

        monkeypatch.setattr(Scorer, "__init__", note)
        kmeans(blobs(rows, 8, 12, 0.8), 12)
        monkeypatch.undo()
        totals.append(sum(scorer.compared for scorer in seen))
    assert totals[1] < 4.5 * totals[0]


def test_bfloat16_finds_the_same_clusters() -> None:
    pytest.importorskip("torch")
    matrix = blobs(3000, 48, 30, 0.9)
    start = matrix[:20].astype(np.float64)
    half = HalfScorer(Vectors.of(matrix))
    assert np.array_equal(run(matrix, start).labels, run(matrix, start, half).labels)
    assert kmeans(matrix, 12).equals(kmeans(matrix, 12, settings=Settings("bf16")))


def test_bounds_of_bfloat16_hold() -> None:
    pytest.importorskip("torch")
    matrix = blobs(2000, 384, 1, 40.0)
    centroids = matrix[:50].astype(np.float64) * np.linspace(0.2, 1.0, 50)[:, None]
    found = Assignment(HalfScorer(Vectors.of(matrix)), centroids)
    scores = matrix.astype(np.float64) @ centroids.T - 0.5 * (centroids**2).sum(axis=1)
    assert np.array_equal(found.labels, scores.argmax(axis=1))
    ordered = np.sort(scores, axis=1)
    assert (found.own <= ordered[:, -1] + 1e-5).all()
    assert (found.other >= ordered[:, -2] - 1e-5).all()


def test_breathing_is_never_worse() -> None:
    for seed in range(4):
        matrix = blobs(2000, 16, 20, 0.5, seed)
        vectors, draw = Vectors.of(matrix), np.random.default_rng(seed)
        scorer = Scorer(vectors)
        before = run(matrix, matrix[:20].astype(np.float64), scorer)
        after = breathe(
            vectors, before, moved=8, tolerance=1e-3, rng=draw, progress=QUIET, scorer=scorer
        )  # fmt: skip
        assert after.inertia <= before.inertia
        assert after.centroids.shape == before.centroids.shape


def test_many_clusters_are_seeded_in_batches() -> None:
    k = 3 * ONE_BY_ONE
    matrix = blobs(4000, 16, k, 0.05)
    seeds = extend(Vectors.of(matrix), np.empty((0, 16)), k, np.random.default_rng(0))
    assert len(np.unique(seeds, axis=0)) == k
    found = kmeans(np.repeat(matrix[:400], 2, axis=0), 390)
    assert len(set(found.column("cluster_id").to_pylist())) == 390


def test_members_are_every_row_once() -> None:
    labels = np.array([2, 0, 2, 5, 0])
    found = [(cluster, rows.tolist()) for cluster, rows in members(labels)]
    assert found == [(0, [1, 4]), (2, [0, 2]), (5, [3])]
    assert list(members(labels[:0])) == []
