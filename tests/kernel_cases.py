"""Random matrices that are awkward on purpose, and the oracle every kernel is compared with."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray


def rounded(value: float) -> float:
    """Six decimals, half away from zero, from the product as SQL forms it."""
    scaled = Fraction(abs(value) * 1e6)
    return (-1 if value < 0 else 1) * floor(scaled + Fraction(1, 2)) / 1e6


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float | None:
    """Rounded cosine in float64; None where a vector is not finite or zero."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    lengths = float(np.sqrt(a @ a)), float(np.sqrt(b @ b))
    if not all(np.isfinite(length) and length > 0 for length in lengths):
        return None
    return rounded(max(-1.0, min(1.0, float(a @ b) / (lengths[0] * lengths[1]))))


def all_cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> dict[tuple[int, int], float]:
    found = {(i, j): cosine(a, b) for i, a in enumerate(left) for j, b in enumerate(right)}
    return {pair: value for pair, value in found.items() if value is not None}


def greedy(matrix: NDArray[np.float32], threshold: float) -> dict[int, int]:
    """Row -> canonical row, by the rule as it is written down."""
    scored = all_cosines(matrix, matrix)
    head: dict[int, int] = {}
    for row in sorted({i for i, _ in scored}):
        copy = next((j for j in head if (matrix[j] == matrix[row]).all()), None)
        if copy is not None:
            head[row] = head[copy]
            continue
        near = [(-scored[row, j], j) for j in head if head[j] == j and scored[row, j] >= threshold]
        head[row] = min(near)[1] if near else row
    return head


def components(matrix: NDArray[np.float32], threshold: float) -> dict[int, int]:
    scored = all_cosines(matrix, matrix)
    graph = nx.Graph([pair for pair, s in scored.items() if s >= threshold])
    graph.add_nodes_from(i for i, _ in scored)
    copies = {(i, j) for i, j in scored if (matrix[i] == matrix[j]).all()}
    graph.add_edges_from(copies)
    return {row: min(part) for part in nx.connected_components(graph) for row in part}


def matrices(most: int = 24, dimension: int = 3) -> st.SearchStrategy[NDArray[np.float32]]:
    """Small whole numbers (ties, copies and zero rows abound), with a NaN or Inf now and then."""
    values = st.one_of(st.integers(-2, 2).map(float), st.sampled_from([float("nan"), float("inf")]))
    usual = st.integers(-2, 2).map(float)
    shape = st.tuples(st.integers(0, most), st.just(dimension))
    return shape.flatmap(
        lambda size: hnp.arrays(np.float32, size, elements=st.one_of(usual, usual, usual, values))
    )


thresholds = st.sampled_from([-1.0, 0.0, 0.5, 0.707107, 0.8, 0.9, 0.999999, 1.0])


def blobs(rows: int, dimension: int, centres: int, noise: float, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around a few random directions: float32 [rows, dimension]."""
    draw = np.random.default_rng(seed)
    middle = draw.normal(size=(centres, dimension))[draw.integers(0, centres, rows)]
    points = middle + noise * draw.normal(size=(rows, dimension))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
