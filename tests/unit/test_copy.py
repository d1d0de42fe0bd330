"""COPY BINARY against a real server: what goes in comes back bit by bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import psycopg2
import pytest
from job_connection import Connection, database
from numpy.typing import NDArray
from samespace._job import Encoded
from samespace.io._copy import CACHE_FIELDS, Pieces, encode_rows, read_array, read_vector

HASH = "{:064x}".format


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    made = Connection(database("copy"), autocommit=True)
    yield made
    made.close()


def copied(
    connection: Connection, vectors: NDArray[np.float32], tokens=None, truncated=None, hashes=None
) -> dict[str, tuple]:
    """The rows after COPY into a fresh table, by content_hash."""
    connection.query("drop table if exists pg_temp.rows")
    connection.query(
        "create temp table rows (role text, content_hash text, "
        f"embedding vector({vectors.shape[1]}), tokens integer, truncated boolean)"
    )
    names = hashes or [HASH(number) for number in range(len(vectors))]
    counted = None if tokens is None else np.array(tokens, np.int32)
    cut = None if truncated is None else np.array(truncated, np.bool_)
    sent = Pieces(encode_rows("document", Encoded(names, vectors, counted, cut)))
    with connection.handle.cursor() as cursor:
        cursor.copy_expert(f"copy pg_temp.rows ({CACHE_FIELDS}) from stdin (format binary)", sent)
    rows = connection.query("select content_hash, vector_send(embedding), tokens, truncated, role from rows")
    return {row[0]: row[1:] for row in rows}


def bits(values: NDArray[np.float32]) -> list[int]:
    return np.asarray(values, dtype=np.float32).view(np.uint32).tolist()


@pytest.mark.parametrize("dimension", [1, 2, 3, 64, 384, 1536, 2000, 16000])
def test_every_bit_of_every_dimension(connection: Connection, dimension: int) -> None:
    generator = np.random.default_rng(dimension)
    words = generator.integers(0, 2**32, size=(20, dimension), dtype=np.uint32)
    vectors = words.view(np.float32)
    vectors[~np.isfinite(vectors)] = 1.5
    rows = copied(connection, vectors)
    for number, row in enumerate(vectors):
        assert bits(np.array(read_vector(rows[HASH(number)][0]), np.float32)) == bits(row)


def test_the_edges_of_float32(connection: Connection) -> None:
    tiny, largest = np.float32(1e-45), np.finfo(np.float32).max
    vectors = np.array([[tiny, -0.0, largest], [-tiny, 0.0, -largest], [1e-38, 1 / 3, -1e-40]], np.float32)
    rows = copied(connection, vectors)
    for number, row in enumerate(vectors):
        assert bits(np.array(read_vector(rows[HASH(number)][0]), np.float32)) == bits(row)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_by_the_server(connection: Connection, value: float) -> None:
    with pytest.raises(psycopg2.DataError, match="not allowed in vector"):
        copied(connection, np.array([[1.0, value]], np.float32))


@pytest.mark.parametrize("tokens", [None, [3, 2**31 - 1, 0]])
@pytest.mark.parametrize("truncated", [None, [True, False, True]])
def test_nulls(connection: Connection, tokens, truncated) -> None:
    vectors = np.array([[1, 2], [0, -0.0], [3, 4]], np.float32)
    rows = copied(connection, vectors, tokens, truncated)
    assert [rows[HASH(number)][0] is None for number in range(3)] == [False, True, False]
    assert [rows[HASH(number)][1] for number in range(3)] == (tokens or [None] * 3)
    assert [rows[HASH(number)][2] for number in range(3)] == (truncated or [None] * 3)
    assert {row[3] for row in rows.values()} == {"document"}


def test_order_of_rows_and_hashes_of_any_length(connection: Connection) -> None:
    names = ["a", "bbb", "cc", "ddd"]
    rows = copied(connection, np.array([[1], [2], [0], [4]], np.float32), [1, 2, 3, 4], None, names)
    assert {name: row[1] for name, row in rows.items()} == dict(zip(names, [1, 2, 3, 4], strict=True))
    assert {name: row[0] and read_vector(row[0])[0] for name, row in rows.items()} == {
        "a": 1, "bbb": 2, "cc": None, "ddd": 4
    }  # fmt: skip


def test_arrays_come_back_as_they_were_written(connection: Connection) -> None:
    connection.query("set extra_float_digits = 0")  # of a role's settings; digits would be lost in text
    values = np.array([1 / 3, -0.0, 1e-45, 3.4e38], np.float32)
    text = "{" + ",".join(map(str, values)) + "}"
    sent = connection.query(f"select array_send(cast('{text}' as real[]))")[0][0]
    assert bits(read_array(sent)) == bits(values)
    assert read_array(connection.query("select array_send(cast('{}' as real[]))")[0][0]).shape == (0,)
