"""Reading the rows of one space out of PostgreSQL into one float32 matrix, for the kernels.

Vectors come as COPY BINARY in the type of their column: casting an array to ``vector`` would stop at the
first NaN, which a column that is not ours may hold. How rows and values are laid out:
https://www.postgresql.org/docs/current/sql-copy.html, and vector_send, halfvec_send and array_send in the
sources of pgvector and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samespace.errors import KernelError
from samespace.io._copy import HEADER, TRAILER
from samespace.io._rows import Filling, Room, Rows, literal, unequal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Where bytes are turned into numbers: large enough to leave Python's cost behind, small beside the matrix.
CHUNK = 1024 * 1024
# An array that holds a NULL has no fixed layout; as on DuckDB, its numbers are not finite.
_WITHOUT_NULLS = (
    "case when array_position({0}, null) is null then {0}"
    " else array_fill(cast('NaN' as {1}), array[cardinality({0})]) end"
)


@dataclass(frozen=True)
class _Layout:
    """How a type is sent: bytes before the numbers, one ``item`` per number. ``sql`` reads the column."""

    head: int
    item: Any
    sql: str = "{0}"

    def dimension(self, size: int) -> int:
        """How many numbers a value of this many bytes has; an empty array is shorter than its head."""
        return max(0, size - self.head) // int(self._dtype().itemsize)

    def row(self, size: int) -> np.dtype[Any]:
        """A row of (bigint, this type) whose second value has ``size`` bytes."""
        import numpy as np

        head = min(self.head, size)
        return np.dtype([
            ("fields", ">i2"), ("ordinal_size", ">i4"), ("ordinal", ">i8"), ("size", ">i4"),
            ("head", f"V{head}"), ("values", self._dtype(), (self.dimension(size),)),
        ])  # fmt: skip

    def _dtype(self) -> np.dtype[Any]:
        import numpy as np

        kind: np.dtype[Any] = np.dtype(self.item)
        return kind


# Bytes of a row before its second value: number of fields, size and value of a bigint, size.
_BEFORE_SECOND = 2 + 4 + 8 + 4
_REALS, _DOUBLES = [("size", ">i4"), ("value", ">f4")], [("size", ">i4"), ("value", ">f8")]
# By the name of the column's type in pg_type.
_LAYOUTS = {
    "vector": _Layout(4, ">f4"),
    "halfvec": _Layout(4, ">f2"),
    "_float4": _Layout(20, _REALS, _WITHOUT_NULLS.format("{0}", "real")),
    "_float8": _Layout(20, _DOUBLES, _WITHOUT_NULLS.format("{0}", "double precision")),
    "_numeric": _Layout(
        20, _DOUBLES, _WITHOUT_NULLS.format("cast({0} as double precision[])", "double precision")
    ),
}


class PostgresReader:
    """Reads on a cursor inside a transaction that its owner began: all reads should see one snapshot."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def spaces(self, select: str) -> dict[str, int]:
        """See ``Reader``."""
        self._cursor.execute(
            f"select space, count(*) from ({select}) as rows where space is not null group by space"
        )
        # Sorted here, by code points: the server would by its locale.
        return dict(sorted(self._cursor.fetchall()))

    def rows(
        self,
        select: str,
        space: str,
        *,
        extra: str | None = None,
        order: str = "ordinal",
        room: Room | None = None,
    ) -> Rows:
        """See ``Reader``."""
        source = f"from ({select}) as rows where space = {literal(space)}"
        columns = self._numbers(
            "select cast(ordinal as bigint), cast(entity as bigint),"
            f" coalesce(cast({extra or 0} as bigint), 0) {source}"
            f" order by cast({order} as bigint), ordinal"
        )
        filling = Filling(space, columns["ordinal"], columns["entity"], columns["extra"], room)
        if len(columns):
            self._vectors(source, space, filling)
        return filling.rows()

    def _numbers(self, query: str) -> NDArray[Any]:
        """The rows of a query of the bigints ordinal, entity and extra, none of them NULL."""
        import numpy as np

        layout = np.dtype([
            ("fields", ">i2"), ("ordinal_size", ">i4"), ("ordinal", ">i8"), ("size", ">i4"),
            ("entity", ">i8"), ("extra_size", ">i4"), ("extra", ">i8"),
        ])  # fmt: skip
        numbers = np.dtype([(name, np.int64) for name in ("ordinal", "entity", "extra")])
        blocks = [np.empty(0, dtype=numbers)]

        def keep(block: NDArray[Any]) -> None:
            kept = np.empty(len(block), dtype=numbers)
            for name in ("ordinal", "entity", "extra"):
                kept[name] = block[name]
            blocks.append(kept)

        self._copy(query, CopyRows(lambda _: layout, keep))
        return np.concatenate(blocks)

    def _vectors(self, source: str, space: str, filling: Filling) -> None:
        import numpy as np

        layout = self._layout(source)

        def keep(block: NDArray[Any]) -> None:
            values = block["values"]
            filling.put(block["ordinal"].astype(np.int64), values["value"] if values.dtype.names else values)

        def refuse(size: int, expected: int) -> KernelError:
            return unequal(space, layout.dimension(size), layout.dimension(expected))

        column = layout.sql.format("embedding")
        query = f"select cast(ordinal as bigint), {column} {source} and embedding is not null"
        self._copy(query, CopyRows(layout.row, keep, refuse))

    def _layout(self, source: str) -> _Layout:
        """How the column ``embedding`` is sent. Raises KernelError where it holds no vectors."""
        self._cursor.execute(f"select embedding {source} limit 0")
        oid = self._cursor.description[0].type_code
        self._cursor.execute(f"select typname, format_type(oid, null) from pg_type where oid = {oid}")
        name, title = self._cursor.fetchone()
        if name not in _LAYOUTS:
            raise KernelError(
                f"its embedding column is of type {title}; a kernel reads vector, halfvec, real[] and double "
                "precision[]. Cast the column in a model of its own."
            )
        return _LAYOUTS[name]

    def _copy(self, query: str, rows: CopyRows) -> None:
        self._cursor.copy_expert(f"copy ({query}) to stdout (format binary)", rows)
        rows.finish()


class CopyRows:
    """A file for ``copy_expert`` that hands over rows of one layout as structured arrays, a MB at a time.

    ``layout`` gives the type of a row from the size of its second field, whose name there is ``size``.
    """

    def __init__(
        self,
        layout: Callable[[int], np.dtype[Any]],
        keep: Callable[[NDArray[Any]], None],
        refuse: Callable[[int, int], KernelError] | None = None,
    ) -> None:
        self._layout_of, self._keep, self._refuse = layout, keep, refuse
        self._pending = bytearray()
        self._layout: np.dtype[Any] | None = None
        self._size, self._skip = 0, len(HEADER)

    def write(self, data: bytes) -> int:
        """Take what the server sent; any cut between two calls is fine."""
        self._pending += data
        if len(self._pending) >= CHUNK:
            self._parse()
        return len(data)

    def finish(self) -> None:
        """Hand over what is left. Raises KernelError where it is not whole rows of one layout."""
        self._parse()
        if bytes(self._pending) != TRAILER:
            raise self._unlike(self._next_size())

    def _parse(self) -> None:
        import numpy as np

        del self._pending[: self._skip]
        self._skip = 0
        if self._layout is None:
            if len(self._pending) < _BEFORE_SECOND:
                return
            self._size = self._next_size()
            self._layout = self._layout_of(self._size)
        whole = len(self._pending) // self._layout.itemsize * self._layout.itemsize
        # A view of the buffer itself would forbid shortening it.
        block = np.frombuffer(bytes(memoryview(self._pending)[:whole]), dtype=self._layout)
        other = np.flatnonzero(block["size"] != self._size)
        if len(other):
            raise self._unlike(int(block["size"][other[0]]))
        self._keep(block)
        del self._pending[:whole]

    def _next_size(self) -> int:
        return int.from_bytes(self._pending[_BEFORE_SECOND - 4 : _BEFORE_SECOND], "big", signed=True)

    def _unlike(self, size: int) -> KernelError:
        if self._refuse is None:
            return KernelError("the rows arrived torn; build the model again")
        return self._refuse(size, self._size)
