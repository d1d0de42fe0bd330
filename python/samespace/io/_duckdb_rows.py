"""Reading the rows of one space out of DuckDB into one float32 matrix, for the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samespace.errors import KernelError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BATCH = 16_384


@dataclass(frozen=True)
class Rows:
    """Rows of one space that hold a usable vector, in the order in which ties are broken.

    Attributes:
        ordinals: int64 [n], the row's place in (key, model_id) order in the whole relation.
        entity: int64 [n], equal for rows of one key.
        extra: int64 [n], the additional column of the select (0 where NULL or not asked for).
        matrix: float32 [n, d].
        without_vector: rows left out because the vector is NULL.
        unusable: rows left out because the vector holds NaN or Inf, or only zeros.
    """

    ordinals: NDArray[np.int64]
    entity: NDArray[np.int64]
    extra: NDArray[np.int64]
    matrix: NDArray[np.float32]
    without_vector: int
    unusable: int


def spaces_of(cursor: Any, select: str) -> dict[str, int]:
    """Rows per space of a select; rows without a model_id belong to none and are not listed."""
    found = cursor.execute(
        f"select space, count(*) from ({select}) as rows where space is not null group by space order by 1"
    ).fetchall()
    return dict(found)


def read_rows(
    cursor: Any, select: str, space: str, *, extra: str | None = None, order: str = "ordinal"
) -> Rows:
    """Read the rows of one space, sorted by ``order`` (a column of the select).

    Holds one matrix of rows x dimension x 4 bytes and one batch of 16,384 rows beside it. Raises
    KernelError for repeated keys and for vectors of different lengths.
    """
    import numpy as np

    columns = cursor.execute(
        f"select ordinal, entity, cast({extra or 0} as bigint) as extra, cast({order} as bigint) as place"
        f" from ({select}) as rows where space = ? order by place, ordinal",
        [space],
    ).fetchnumpy()
    ordinals = np.asarray(columns["ordinal"], dtype=np.int64)
    matrix, filled = _read_matrix(cursor, select, space, ordinals)
    extras = np.ma.filled(columns["extra"], 0).astype(np.int64)
    usable = _usable(matrix) & filled
    if not usable.all():
        matrix = _compact(matrix, usable)
    return Rows(
        ordinals[usable], np.asarray(columns["entity"], dtype=np.int64)[usable], extras[usable], matrix,
        int((~filled).sum()), int((filled & ~usable).sum()),
    )  # fmt: skip


def _read_matrix(
    cursor: Any, select: str, space: str, ordinals: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The vectors in the order of ``ordinals``, and which rows have one."""
    import numpy as np

    sorter = np.argsort(ordinals)
    ascending = ordinals[sorter]
    if (np.diff(ascending) == 0).any():
        raise KernelError("several rows have one key and one model_id; a key must be unique per model_id")
    matrix: NDArray[np.float32] | None = None
    filled = np.zeros(len(ordinals), dtype=np.bool_)
    literal = "'" + space.replace("'", "''") + "'"
    query = f"select ordinal, embedding from ({select}) as rows where space = {literal}"
    for batch in _batches(cursor, query):
        present = batch.filter(batch.column("embedding").is_valid())
        if not present.num_rows:
            continue
        block = _as_matrix(present.column("embedding"), space)
        if matrix is None:
            matrix = np.zeros((len(ordinals), block.shape[1]), dtype=np.float32)
        if block.shape[1] != matrix.shape[1]:
            raise _unequal(space, block.shape[1], matrix.shape[1])
        places = sorter[np.searchsorted(ascending, present.column("ordinal").to_numpy())]
        matrix[places] = block
        filled[places] = True
    return (np.zeros((len(ordinals), 0), dtype=np.float32) if matrix is None else matrix), filled


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
        raise _unequal(space, *lengths[:2].tolist())
    values = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float32).reshape(len(column), int(lengths[0]))


def _unequal(space: str, one: int, other: int) -> KernelError:
    return KernelError(f"vectors of {space} have different lengths ({one}, {other}); re-embed the relation")


def _usable(matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    import numpy as np

    from samespace.kernels._vectors import row_norms

    norms = row_norms(matrix)
    return np.isfinite(norms) & (norms > 0)


def _compact(matrix: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Move the usable rows to the front, in place, and return them as a view."""
    end = 0
    for start in range(0, len(matrix), BATCH):
        block = matrix[start : start + BATCH][usable[start : start + BATCH]]
        matrix[end : end + len(block)] = block
        end += len(block)
    return matrix[:end]
