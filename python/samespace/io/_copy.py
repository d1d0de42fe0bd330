"""Vectors in PostgreSQL's binary formats: NumPy arrays to bytes and back, bit by bit.

COPY BINARY is a header, per row the number of fields and per field its length (-1: NULL) and its bytes, and
a trailer (https://www.postgresql.org/docs/current/sql-copy.html). A ``vector`` is its
dimension (int16), an unused int16 and float4 numbers (vector_send in the source of pgvector).
All numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CACHE_FIELDS = "role, content_hash, embedding, tokens, truncated"


def encode_rows(
    role: str,
    hashes: Sequence[str],
    vectors: NDArray[np.float32],
    tokens: Sequence[int] | None,
    truncated: Sequence[bool] | None,
) -> bytes:
    """A page of the cache as COPY BINARY of ``CACHE_FIELDS``; float32 [n, d] goes through bit by bit.

    Rows of only zeros have no vector: theirs is NULL. ``tokens`` and ``truncated`` are NULL where not given.
    """
    import numpy as np

    empty = np.all(vectors == 0, axis=1).tolist()
    layouts: dict[tuple[int, bool], list[int]] = {}
    # Rows of one layout are one array. Hashes have one length; only rows without a vector differ.
    for place, value in enumerate(hashes):
        layouts.setdefault((len(value), empty[place]), []).append(place)
    parts = [
        _rows(
            role, [hashes[place] for place in places], length, None if without else vectors[places],
            _chosen(tokens, places), _chosen(truncated, places),
        )
        for (length, without), places in layouts.items()
    ]  # fmt: skip
    return b"".join([HEADER, *parts, TRAILER])


def _chosen(values: Sequence[Any] | None, places: list[int]) -> list[Any] | None:
    return None if values is None else [values[place] for place in places]


def _rows(
    role: str,
    hashes: list[str],
    length: int,
    vectors: NDArray[np.float32] | None,
    tokens: list[int] | None,
    truncated: list[bool] | None,
) -> bytes:
    """Rows of one layout: a packed array of big-endian records."""
    import numpy as np

    dimension = 0 if vectors is None else vectors.shape[1]
    layout: list[Any] = [
        ("fields", ">i2"), ("role_size", ">i4"), ("role", f"S{len(role)}"), ("hash_size", ">i4"),
        ("hash", f"S{length}"), ("vector_size", ">i4"),
    ]  # fmt: skip
    if vectors is not None:
        layout += [("dimension", ">i2"), ("unused", ">i2"), ("vector", ">f4", (dimension,))]
    layout += [("tokens_size", ">i4")] + ([] if tokens is None else [("tokens", ">i4")])
    layout += [("truncated_size", ">i4")] + ([] if truncated is None else [("truncated", "?")])
    rows = np.zeros(len(hashes), dtype=layout)
    rows["fields"] = 5
    rows["role_size"], rows["role"] = len(role), role.encode("ascii")
    rows["hash_size"], rows["hash"] = length, np.array(hashes, dtype=f"S{length}")
    rows["vector_size"] = rows["tokens_size"] = rows["truncated_size"] = -1
    if vectors is not None:
        rows["vector_size"], rows["dimension"], rows["vector"] = 4 + 4 * dimension, dimension, vectors
    if tokens is not None:
        rows["tokens_size"], rows["tokens"] = 4, tokens
    if truncated is not None:
        rows["truncated_size"], rows["truncated"] = 1, truncated
    return rows.tobytes()


def read_vector(sent: bytes | memoryview) -> list[float]:
    """The numbers of what ``vector_send`` returns, without NumPy: float32 values as Python floats."""
    import struct

    (dimension,) = struct.unpack_from(">h", sent)
    return list(struct.unpack_from(f">{dimension}f", sent, 4))


def read_array(sent: bytes | memoryview) -> NDArray[np.float32]:
    """The numbers of what ``array_send`` returns for a one-dimensional real[] without NULLs; float32 [n]."""
    import numpy as np

    # Dimensions, flags, element type, then length and lower bound of the one dimension.
    dimensions = int(np.frombuffer(sent, dtype=">i4", count=1)[0])
    if not dimensions:
        return np.zeros(0, dtype=np.float32)
    values = np.frombuffer(sent, dtype=[("size", ">i4"), ("value", ">f4")], offset=20)
    return values["value"].astype(np.float32)
