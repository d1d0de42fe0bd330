"""Reading the rows of one space out of DuckDB into one float32 matrix, for the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from samespace.io._rows import BATCH, Filling, Room, Rows, literal, unequal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class DuckDBReader:
    """Reads through a cursor of its own, which sees what is committed."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def spaces(self, select: str) -> dict[str, int]:
        """See ``Reader``."""
        found = self._cursor.execute(
            f"select space, count(*) from ({select}) as rows where space is not null"
            " group by space order by 1"
        ).fetchall()
        return dict(found)

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
        import numpy as np

        columns = self._cursor.execute(
            f"select ordinal, entity, cast({extra or 0} as bigint) as extra, cast({order} as bigint) as place"
            f" from ({select}) as rows where space = ? order by place, ordinal",
            [space],
        ).fetchnumpy()
        filling = Filling(
            space,
            np.asarray(columns["ordinal"], dtype=np.int64),
            np.asarray(columns["entity"], dtype=np.int64),
            np.ma.filled(columns["extra"], 0).astype(np.int64),
            room,
        )
        query = f"select ordinal, embedding from ({select}) as rows where space = {literal(space)}"
        for batch in _batches(self._cursor, query):
            # A filter copies every vector, also where it keeps them all.
            present = batch
            if batch.column("embedding").null_count:
                present = batch.filter(batch.column("embedding").is_valid())
            if present.num_rows:
                block = _as_matrix(present.column("embedding"), space)
                filling.put(present.column("ordinal").to_numpy(), block)
        return filling.rows()


def _batches(cursor: Any, query: str) -> Iterator[pa.RecordBatch]:
    # A relation streams; an executed cursor copies (DuckDB 2.0 warns), and so does a query with parameters.
    # DuckDB 1.5 renamed the method and warns about the old name; 1.4 has only the old one.
    result = cursor.sql(query)
    yield from (getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader)(BATCH)


def _as_matrix(column: pa.Array, space: str) -> NDArray[np.float32]:
    """A column of lists without NULLs as float32 [rows, d]; a NULL inside a list becomes NaN."""
    import numpy as np
    import pyarrow.compute as pc

    lengths = np.unique(pc.list_value_length(column).to_numpy(zero_copy_only=False))
    if len(lengths) != 1:
        raise unequal(space, *lengths[:2].tolist())
    values = column.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, dtype=np.float32).reshape(len(column), int(lengths[0]))
