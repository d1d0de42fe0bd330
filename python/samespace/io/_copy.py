"""Vectors in PostgreSQL's binary formats: NumPy arrays to bytes and back, bit by bit.

COPY BINARY is a header, per row the number of fields and per field its length (-1: NULL) and its bytes, and
a trailer (https://www.postgresql.org/docs/current/sql-copy.html). A ``vector`` is its
dimension (int16), an unused int16 and float4 numbers (vector_send in the source of pgvector).
All numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from samespace._job import Encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# Bytes that are sent at once: few enough to stay in the processor's cache on both sides.
PIECE_BYTES = 100 * 1024
CACHE_FIELDS = "role, content_hash, embedding, tokens, truncated"


class Pieces:
    """A file for ``copy_expert`` out of pieces of COPY data."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        """The next piece, whatever its size: libpq cuts it into messages."""
        del size
        return next(self._pieces, b"")


def encode_rows(role: str, page: Encoded) -> Iterator[bytes]:
    """A page of the cache as COPY BINARY of ``CACHE_FIELDS``; its vectors go through bit by bit.

    Rows of only zeros have no vector: theirs is NULL. ``tokens`` and ``truncated`` are NULL where not given.
    """
    import numpy as np

    # Rows of one layout are one array. Hashes have one length; only rows without a vector differ.
    lengths = np.fromiter(map(len, page.hashes), dtype=np.int64, count=len(page.hashes))
    layouts = lengths * 2 + page.usable()
    names = np.array(page.hashes, dtype=bytes)
    order = np.argsort(_leading(names))
    yield HEADER
    for layout in np.unique(layouts).tolist():
        rows = _blank(role, layout // 2, page, bool(layout % 2))
        places = order[layouts[order] == layout]
        for start in range(0, len(places), len(rows)):
            yield _filled(rows, names, page, places[start : start + len(rows)])
    yield TRAILER


def _leading(names: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """The first eight bytes of each hash, as a number of the same order.

    By hash each page meets the primary key's index from one end to the other, not all over the place: less
    work for the server. Rows of one beginning may come in any order.
    """
    import numpy as np

    return names.astype("S8").view(">u8").astype(np.uint64)


def _blank(role: str, length: int, page: Encoded, has_vector: bool) -> NDArray[Any]:
    """Big-endian records of one layout, with what is the same in all of them."""
    import numpy as np

    dimension = page.vectors.shape[1]
    layout: list[Any] = [
        ("fields", ">i2"), ("role_size", ">i4"), ("role", f"S{len(role)}"), ("hash_size", ">i4"),
        ("hash", f"S{length}"), ("vector_size", ">i4"),
    ]  # fmt: skip
    if has_vector:
        layout += [("dimension", ">i2"), ("unused", ">i2"), ("vector", ">f4", (dimension,))]
    layout += [("tokens_size", ">i4")] + ([] if page.tokens is None else [("tokens", ">i4")])
    layout += [("truncated_size", ">i4")] + ([] if page.truncated is None else [("truncated", "?")])
    kind = np.dtype(layout)
    rows = np.zeros(max(PIECE_BYTES // kind.itemsize, 1), dtype=kind)
    rows["fields"], rows["hash_size"] = 5, length
    rows["role_size"], rows["role"] = len(role), role.encode("ascii")
    rows["vector_size"] = -1
    if has_vector:
        rows["vector_size"], rows["dimension"] = 4 + 4 * dimension, dimension
    rows["tokens_size"] = -1 if page.tokens is None else 4
    rows["truncated_size"] = -1 if page.truncated is None else 1
    return rows


def _filled(rows: NDArray[Any], names: NDArray[np.bytes_], page: Encoded, places: NDArray[np.int64]) -> bytes:
    part = rows[: len(places)]
    part["hash"] = names[places]
    for name, values in (("vector", page.vectors), ("tokens", page.tokens), ("truncated", page.truncated)):
        if values is not None and name in (rows.dtype.names or ()):
            part[name] = values[places]
    return part.tobytes()


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
