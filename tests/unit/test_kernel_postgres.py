"""The kernels on PostgreSQL, without dbt: the same as on DuckDB, what is left out, that spaces never meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import blobs, matrices, thresholds
from kernel_requests import OPTIONS, database, found, on_duckdb, points, session_of
from samespace.errors import KernelError
from samespace.io._kernel_jobs import RESULTS

KERNELS = sorted(RESULTS)
LINKS = {
    "knn": ("query", "neighbour"),
    "within_threshold": ("query", "neighbour"),
    "duplicate_pairs": ("left_row", "right_row"),
    "duplicates": ("member", "canonical"),
}
KINDS = ["vector(3)", "vector", "halfvec(3)", "real[]", "double precision[]", "numeric[]"]


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    return database("kernels")


@pytest.fixture(scope="module")
def session(output: dict[str, Any]) -> Iterator[Any]:
    with session_of(output) as connection:
        yield connection


@settings(max_examples=6)
@given(matrix=matrices(dimension=3), threshold=thresholds)
@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_duckdb(session: Any, kernel: str, matrix: Any, threshold: float) -> None:
    """Awkward on purpose: ties, copies, zeros, NaN and Inf."""
    vectors = [*matrix.tolist(), None, [None, 1.0, 0.0]]
    changes = {"threshold": threshold} if "threshold" in OPTIONS[kernel] else {}
    points(session, vectors)
    assert found(session, kernel, **changes) == on_duckdb(vectors, kernel, **changes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_types_of_vectors(session: Any, kernel: str, kind: str) -> None:
    # Halves: exact in every type.
    vectors = [[a / 2, b / 2, 1.0] for a in range(4) for b in range(4)]
    points(session, vectors, kind=kind)
    assert found(session, kernel) == on_duckdb(vectors, kernel)


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["m@1", "n@2", "o@3", "M@1"]), max_size=14), st.sampled_from(sorted(LINKS)))
def test_no_row_joins_two_spaces(session: Any, spaces: list[str], kernel: str) -> None:
    """The attack: identical vectors in every space, and a threshold that everything reaches."""
    points(session, [[1.0, 2.0, 3.0]] * len(spaces), spaces, "vector(3)")
    at = [list(RESULTS[kernel].replace(",", "").split()[::2]).index(name) for name in LINKS[kernel]]
    rows = found(session, kernel)
    assert all(spaces[row[at[0]] - 1] == spaces[row[at[1]] - 1] for row in rows)
    assert bool(rows) == any(spaces.count(space) > 1 for space in spaces)


@pytest.mark.parametrize("asked", ["m@1", "p@4"])
def test_queries_of_another_space_find_nothing(session: Any, asked: str) -> None:
    lines: list[str] = []
    points(session, [[1.0, 2.0, 3.0]] * 4, ["m@1", "n@2", "m@1", "n@2"])
    queries = f"select ordinal, entity, text '{asked}' as space, embedding, priority from points limit 1"
    rows = found(session, "knn", lines.append, queries=queries, k=20)
    assert len(rows) == (2 if asked == "m@1" else 0)
    assert bool(lines) == (asked == "p@4")


def test_unusable_rows_are_counted_and_leave_no_gap(session: Any) -> None:
    lines: list[str] = []
    vectors: list[Any] = [[1.0, float(n), 3.0] for n in range(1, 40_001)]
    for place in range(4, 40_000, 5):
        vectors[place] = None
    vectors[6], vectors[7], vectors[8] = [0, 0, 0], [float("nan"), 1, 0], [1, float("-inf"), 0]
    vectors[10], vectors[11] = [None, 1, 2], [1e300, 1, 1]
    points(session, vectors, kind="double precision[]")
    kept = [n for n in range(1, 40_001) if n % 5 and n not in (7, 8, 9, 11, 12)]
    assert [row[0] for row in found(session, "clusters", lines.append)] == kept
    assert lines == [
        "samespace.clusters: 'points': rows left out: 8,000 with no vector (NULL)",
        "samespace.clusters: 'points': rows left out: 5 with a vector of NaN, infinity or only zeros",
    ]


@pytest.mark.parametrize("kind", ["vector", "real[]"])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("length", [2, 4])
def test_unequal_lengths_are_refused(session: Any, kind: str, place: int, length: int) -> None:
    vectors = [[1.0, 2.0, 3.0]] * 3
    vectors[place] = [1.0] * length
    points(session, vectors, kind=kind)
    lengths = rf"\({length}, 3\)|\(3, {length}\)"
    with pytest.raises(KernelError, match=f"vectors of m@1 have different lengths {lengths}; re-embed"):
        found(session, "knn")
    # The rest of what the server sent is gone: the session can go on.
    points(session, [[1.0, 2.0, 3.0]] * 3)
    assert len(found(session, "knn")) == 6


def test_empty_arrays_and_other_types(session: Any) -> None:
    points(session, ["{}", "{}"])
    assert found(session, "knn") == []
    points(session, ["{}", [1.0]])
    with pytest.raises(KernelError, match="different lengths"):
        found(session, "knn")
    points(session, ["one"], kind="varchar")
    with pytest.raises(
        KernelError, match="its embedding column is of type character varying; a kernel reads"
    ):
        found(session, "knn")


def test_rows_selected_at_random_are_refused(session: Any) -> None:
    """Under the numbers of another selection, vectors would belong to other keys."""
    points(session, [[float(n), 2.0, 3.0] for n in range(200)])
    with pytest.raises(KernelError, match="the rows differ from one reading to the next"):
        found(session, "knn", select="select * from points where random() < 0.5")


def test_repeated_keys_are_refused(session: Any) -> None:
    points(session, [[1.0, 2.0, 3.0]] * 3)
    with session.cursor() as cursor:
        cursor.execute("insert into points select * from points limit 1")
    session.commit()
    with pytest.raises(KernelError, match="a key must be unique per model_id"):
        found(session, "knn")


def test_nothing_in_nothing_out(session: Any) -> None:
    for vectors in ([], [None] * 3):
        points(session, vectors, kind="vector(3)")
        assert [found(session, kernel) for kernel in KERNELS] == [[]] * len(KERNELS)


def test_physical_order_does_not_show(session: Any) -> None:
    points(session, blobs(500, 4, 6, 0.3).tolist())
    first = found(session, "clusters", k=6)
    with session.cursor() as cursor:
        cursor.execute("create table other as select * from points order by ordinal desc")
        cursor.execute("drop table points; alter table other rename to points")
    assert found(session, "clusters", k=6) == first
