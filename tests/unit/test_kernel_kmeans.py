"""k-means against scikit-learn, and what a dashboard relies on: order, numbers and repetition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import blobs, matrices
from numpy.typing import NDArray
from samespace.errors import KernelError
from samespace.kernels import _start as module
from samespace.kernels._lloyd import lloyd
from samespace.kernels._progress import Progress
from samespace.kernels._vectors import Vectors, silent
from samespace.kernels.kmeans import CLUSTERS, kmeans
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score


def ids(batch: pa.RecordBatch) -> NDArray[np.int64]:
    return batch.column("cluster_id").to_numpy()


def inertia(matrix: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return float(sum(((unit[labels == c] - unit[labels == c].mean(axis=0)) ** 2).sum() for c in set(labels)))


def test_lloyd_ends_where_that_of_scikit_learn_ends() -> None:
    matrix = blobs(3000, 24, 40, 0.8)
    start = matrix[:20].astype(np.float64)
    theirs = KMeans(20, init=start, n_init=1, tol=0).fit(matrix)
    ours = lloyd(Vectors.of(matrix), start, tolerance=0.0, progress=Progress("test", 1, silent))
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-4)
    assert adjusted_rand_score(ours.labels, theirs.labels_) > 0.99


def test_starts_are_as_good_as_those_of_scikit_learn() -> None:
    matrix = blobs(2000, 24, 40, 0.8)
    theirs = [KMeans(20, n_init=4, random_state=seed).fit(matrix).inertia_ for seed in range(5)]
    ours = [inertia(matrix, ids(kmeans(matrix, 20, seed=seed))) for seed in range(5)]
    assert np.median(ours) <= np.median(theirs) * 1.01


def test_clear_clusters_are_found() -> None:
    matrix = blobs(600, 16, 6, 0.05)
    theirs = KMeans(6, n_init=4, random_state=0).fit_predict(matrix)
    assert adjusted_rand_score(theirs, ids(kmeans(5 * matrix, 6))) == 1.0


@given(matrices(), st.integers(1, 6), st.integers(0, 3))
def test_every_usable_row_gets_one_cluster(matrix: NDArray[np.float32], k: int, seed: int) -> None:
    usable = Vectors.of(matrix).positions
    if k > len(usable):
        with pytest.raises(KernelError, match=f"k={k}, but {len(usable)} rows have a usable vector"):
            kmeans(matrix, k, seed=seed)
        return
    found = kmeans(matrix, k, seed=seed)
    assert found.schema == CLUSTERS
    assert found.column("member").to_pylist() == usable.tolist()
    sizes = np.bincount(ids(found), minlength=k + 1)[1:]
    assert (np.diff(sizes) <= 0).all()
    different = len(
        {tuple(row) for row in np.round(Vectors.of(matrix).units(usable * 0 + np.arange(len(usable))), 5)}
    )
    assert (sizes > 0).sum() == min(k, different)


def test_numbers_go_by_size_then_first_row() -> None:
    matrix = np.eye(3, dtype=np.float32)[[2, 0, 0, 1, 1, 1, 2]]
    assert ids(kmeans(matrix, 3)).tolist() == [2, 3, 3, 1, 1, 1, 2]


def test_equal_input_gives_equal_output() -> None:
    matrix = blobs(800, 16, 12, 0.8)
    assert kmeans(matrix, 9, seed=4).equals(kmeans(matrix.copy(), 9, seed=4))
    assert not np.array_equal(ids(kmeans(matrix, 9, seed=4)), ids(kmeans(matrix, 9, seed=5)))


def test_a_sample_chooses_the_start_of_large_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = blobs(4000, 16, 10, 0.5)
    whole = inertia(matrix, ids(kmeans(matrix, 10)))
    monkeypatch.setattr(module, "SAMPLE", 500)
    monkeypatch.setattr(module, "SAMPLE_PER_CLUSTER", 50)
    assert inertia(matrix, ids(kmeans(matrix, 10))) <= whole * 1.01


def test_previous_clusters_keep_their_numbers() -> None:
    matrix = blobs(500, 16, 5, 0.1)
    before = ids(kmeans(matrix, 5))
    renamed = np.array([0, 40, 30, 20, 10, 7])[before]
    assert ids(kmeans(matrix, 5, previous=renamed)).tolist() == renamed.tolist()


def test_new_rows_join_previous_clusters_and_new_clusters_get_free_numbers() -> None:
    matrix = blobs(500, 16, 5, 0.1)
    before = ids(kmeans(matrix, 5))
    known = np.where((np.arange(500) % 3 == 0) | (before == 2), 0, before)
    after = ids(kmeans(matrix, 5, previous=known))
    assert after.tolist() == before.tolist()


def test_fewer_clusters_than_before_keep_the_largest() -> None:
    matrix = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 1, 2, 2, 3]]
    after = ids(kmeans(matrix, 3, previous=np.array([9, 9, 9, 8, 8, 7, 7, 6])))
    assert after[:7].tolist() == [9, 9, 9, 8, 8, 7, 7]


def test_fewer_different_vectors_than_clusters_is_logged() -> None:
    lines: list[str] = []
    found = kmeans(np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], 4, log=lines.append)
    assert sorted(set(ids(found))) == [1, 2]
    assert lines == ["2 clusters instead of 4: there are no more different vectors"]


def test_similarity_is_to_the_mean_of_the_cluster() -> None:
    matrix = blobs(100, 8, 3, 0.3)
    found = kmeans(matrix, 3)
    for row, cluster in enumerate(ids(found)):
        mean = matrix[ids(found) == cluster].mean(axis=0, dtype=np.float64)
        expected = matrix[row] @ mean / np.linalg.norm(mean) / np.linalg.norm(matrix[row])
        assert found.column("similarity_to_centroid")[row].as_py() == pytest.approx(expected, abs=2e-6)
