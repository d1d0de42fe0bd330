"""Nearest neighbours against brute force, ties and copies included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import all_cosines, blobs, matrices
from kernel_engines import every_engine, use
from numpy.typing import NDArray
from samespace.errors import KernelError
from samespace.kernels.top_k import TOP_K, top_k

Row = tuple[int, int, float, int]


def brute(
    queries: NDArray[np.float32], matrix: NDArray[np.float32], k: int, own: list[int] | None
) -> list[Row]:
    scored = all_cosines(queries, matrix)
    result = []
    for query in range(len(queries)):
        mine = [(-s, r) for (q, r), s in scored.items() if q == query and (own is None or own[q] != own[r])]
        result += [(query, r, -s, place + 1) for place, (s, r) in enumerate(sorted(mine)[:k])]
    return result


def rows_of(batch: object) -> list[Row]:
    return [tuple(row.values()) for row in batch.to_pylist()]  # type: ignore[attr-defined]


@given(matrices(), st.integers(1, 30))
def test_self_join_equals_brute_force(matrix: NDArray[np.float32], k: int) -> None:
    found = top_k(matrix, k=k)
    assert found.schema == TOP_K
    assert rows_of(found) == brute(matrix, matrix, k, list(range(len(matrix))))


@given(matrices(12), matrices(12), st.integers(1, 8))
def test_queries_equal_brute_force(matrix: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> None:
    assert rows_of(top_k(matrix, queries, k=k)) == brute(queries, matrix, k, None)


@given(matrices(), st.integers(1, 5), st.data())
def test_rows_of_one_entity_are_no_neighbours(
    matrix: NDArray[np.float32], k: int, data: st.DataObject
) -> None:
    size = len(matrix)
    entity = data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    found = rows_of(top_k(matrix, k=k, entity=np.array(entity, dtype=np.int64)))
    assert found == brute(matrix, matrix, k, entity)


@every_engine
def test_blocks_do_not_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = 3 * blobs(200, 16, 12, 0.4)
    matrix[50:120] = matrix[3]
    whole = rows_of(top_k(matrix, k=4))
    use(monkeypatch, name, tall=23, wide=7)
    assert rows_of(top_k(matrix, k=4)) == whole == brute(matrix, matrix, 4, list(range(200)))


@every_engine
def test_near_ties_do_not_pile_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that differ in the last bits only, more of them than the race may hold: still exact."""
    use(monkeypatch, name, tall=64)
    draw = np.random.default_rng(1)
    matrix = (blobs(1, 16, 1, 0.1) + 1e-6 * draw.normal(size=(1500, 16))).astype(np.float32)
    queries = matrix[:3]
    exact = top_k(matrix, queries, k=2)
    assert rows_of(exact) == brute(queries, matrix, 2, None)


def test_k_equal_texts_fill_the_answer() -> None:
    matrix = np.tile(blobs(1, 8, 1, 0.1), (1000, 1))
    found = rows_of(top_k(matrix, k=100))
    assert len(found) == 100_000
    assert [row[1] for row in found[:100]] == list(range(1, 101))


def test_k_below_one() -> None:
    with pytest.raises(KernelError, match="k=0"):
        top_k(blobs(3, 4, 1, 0.1), k=0)
