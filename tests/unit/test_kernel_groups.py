"""Groups of duplicates against a plain greedy loop and against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from kernel_cases import all_cosines, blobs, components, greedy, matrices, thresholds
from kernel_engines import every_engine, use
from numpy.typing import NDArray
from samespace.errors import KernelError
from samespace.kernels._union_find import UnionFind
from samespace.kernels.groups import GROUPS, Linkage, groups


def expected_rows(matrix: NDArray[np.float32], head: dict[int, int]) -> list[tuple[float, ...]]:
    scored = all_cosines(matrix, matrix)
    members = {h: sorted(r for r in head if head[r] == h) for h in sorted(set(head.values()))}
    kept = [(h, rows) for h, rows in members.items() if len(rows) > 1]
    return [
        (row, number, len(rows), h, scored[row, h], min(scored[r, h] for r in rows))
        for number, (h, rows) in enumerate(kept, start=1)
        for row in rows
    ]


def rows_of(batch: object) -> list[tuple[float, ...]]:
    return [tuple(row.values()) for row in batch.to_pylist()]  # type: ignore[attr-defined]


@given(matrices(), thresholds)
def test_canonical_equals_the_greedy_loop(matrix: NDArray[np.float32], threshold: float) -> None:
    found = groups(matrix, threshold)
    assert found.schema == GROUPS
    assert rows_of(found) == expected_rows(matrix, greedy(matrix, threshold))


@given(matrices(), thresholds)
def test_components_equal_networkx(matrix: NDArray[np.float32], threshold: float) -> None:
    found = groups(matrix, threshold, linkage="components")
    assert rows_of(found) == expected_rows(matrix, components(matrix, threshold))


@every_engine
@pytest.mark.parametrize("linkage", ["canonical", "components"])
def test_blocks_do_not_show(linkage: Linkage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = 2 * blobs(400, 16, 30, 0.25)
    matrix[100:130] = matrix[7]
    whole = rows_of(groups(matrix, 0.9, linkage=linkage))
    use(monkeypatch, name, tall=23, wide=13)
    oracle = (greedy if linkage == "canonical" else components)(matrix, 0.9)
    assert rows_of(groups(matrix, 0.9, linkage=linkage)) == whole == expected_rows(matrix, oracle)


def test_every_row_dropped_is_near_the_row_kept() -> None:
    found = groups(blobs(500, 8, 10, 0.6), 0.85)
    assert found.num_rows
    assert min(found.column("min_similarity").to_pylist()) >= 0.85


def test_chains_are_logged() -> None:
    angles = np.radians([0, 20, 40, 60])
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    lines: list[str] = []
    found = groups(chain, 0.93, linkage="components", log=lines.append)
    assert found.column("group_size").to_pylist() == [4] * 4
    assert lines == ["1 groups are chains: the farthest member has 0.500 to its canonical row"]


def test_many_equal_rows_stay_cheap() -> None:
    """50,000 copies make 1.25 G pairs; they collapse before anything is compared."""
    found = groups(np.tile(blobs(1, 8, 1, 0.1), (50_000, 1)), 0.9)
    assert found.column("group_size").to_pylist()[0] == 50_000


def test_unknown_linkage() -> None:
    with pytest.raises(KernelError, match="'canonical' or 'components'"):
        groups(blobs(3, 4, 1, 0.1), 0.9, linkage="single")  # type: ignore[arg-type]


def test_union_find_against_networkx() -> None:
    draw = np.random.default_rng(0)
    forest, graph = UnionFind(300), nx.empty_graph(300)
    for _ in range(20):
        edges = draw.integers(0, 300, size=(10, 2))
        forest.join(edges[:, 0], edges[:, 1])
        graph.add_edges_from(edges.tolist())
    roots = forest.roots(np.arange(300)).tolist()
    assert all({roots[row] for row in part} == {min(part)} for part in nx.connected_components(graph))
