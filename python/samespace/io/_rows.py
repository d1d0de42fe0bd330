"""The rows of one space as one float32 matrix, for the kernels: what every engine's reader has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from samespace.errors import KernelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 4_096
# Asked before a matrix is made, with its rows and its dimension: raises where it would not fit.
Room = Callable[[int, int], None]


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
        norms: float64 [n], the Euclidean lengths of the rows of ``matrix``, all finite and > 0.
    """

    ordinals: NDArray[np.int64]
    entity: NDArray[np.int64]
    extra: NDArray[np.int64]
    matrix: NDArray[np.float32]
    without_vector: int
    unusable: int
    norms: NDArray[np.float64]

    def take(self, places: NDArray[np.int64]) -> Rows:
        """Some of the rows, copied; nothing counts as left out."""
        return Rows(
            self.ordinals[places], self.entity[places], self.extra[places], self.matrix[places], 0, 0,
            self.norms[places],
        )  # fmt: skip


class Reader(Protocol):
    """What a kernel asks of a database. ``select`` gives ordinal, entity, space, embedding and more."""

    def spaces(self, select: str) -> dict[str, int]:
        """Rows per space, in the order of its name; rows without a model_id belong to none."""
        ...

    def rows(
        self,
        select: str,
        space: str,
        *,
        extra: str | None = None,
        order: str = "ordinal",
        room: Room | None = None,
    ) -> Rows:
        """The rows of one space, sorted by the column ``order``, ties by ordinal.

        Holds one matrix of rows x dimension x 4 bytes and small buffers beside it. ``room`` is called with
        rows and dimension before there is a matrix; what it raises passes. Raises KernelError for repeated
        keys and for vectors of different lengths.
        """
        ...


class Filling:
    """The matrix of one space while its vectors arrive, in any order.

    ``ordinals``, ``entity`` and ``extra`` are int64 [n] in the order in which ties are broken.
    """

    def __init__(
        self,
        space: str,
        ordinals: NDArray[np.int64],
        entity: NDArray[np.int64],
        extra: NDArray[np.int64],
        room: Room | None = None,
    ) -> None:
        import numpy as np

        self._space, self._ordinals, self._entity, self._extra = space, ordinals, entity, extra
        self._room = room
        # Without a where= and another order, every place is an ordinal less the first one.
        steps = np.diff(ordinals)
        self._first = int(ordinals[0]) if len(ordinals) and (steps == 1).all() else None
        self._sorter = np.arange(len(ordinals)) if (steps > 0).all() else np.argsort(ordinals)
        self._ascending = ordinals[self._sorter]
        if (np.diff(self._ascending) == 0).any():
            raise KernelError("several rows have one key and one model_id; a key must be unique per model_id")
        self._norms = np.full(len(ordinals), np.nan)
        self._filled = np.zeros(len(ordinals), dtype=np.bool_)
        self._matrix: NDArray[np.float32] | None = None

    def put(self, ordinals: NDArray[np.int64], block: NDArray[Any]) -> None:
        """The vectors of some rows: [m, d] of any float type; what float32 cannot hold becomes infinite.

        Raises KernelError for vectors of different lengths, and for a row that was not there before.
        """
        import numpy as np

        from samespace.kernels._vectors import row_norms

        if self._matrix is None:
            self._matrix = self._new_matrix(block.shape[1])
        if block.shape[1] != self._matrix.shape[1]:
            raise unequal(self._space, block.shape[1], self._matrix.shape[1])
        places = self._places(ordinals)
        with np.errstate(over="ignore", invalid="ignore"):
            values = block.astype(np.float32, copy=False)
            # While the block is still in the processor's cache.
            self._norms[places] = row_norms(values)
        self._matrix[places] = values
        self._filled[places] = True

    def _new_matrix(self, dimension: int) -> NDArray[np.float32]:
        import numpy as np

        if self._room is not None:
            self._room(len(self._ordinals), dimension)
        return np.empty((len(self._ordinals), dimension), dtype=np.float32)

    def _places(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64] | slice:
        import numpy as np

        count = len(self._ordinals)
        if self._first is None:
            found = np.searchsorted(self._ascending, ordinals)
            found[found == count] = 0
            wrong = self._ascending[found] != ordinals
        else:
            found = ordinals - self._first
            wrong = (found < 0) | (found >= count)
        if wrong.any():
            raise KernelError(
                "the rows differ from one reading to the next, as if selected at random. Read a table, with "
                "a where= that selects the same rows every time"
            )
        places: NDArray[np.int64] = self._sorter[found]
        if len(places) and (np.diff(places) == 1).all():
            return slice(int(places[0]), int(places[-1]) + 1)
        return places

    def rows(self) -> Rows:
        """The rows whose vector can be compared; the others counted. The matrix is closed up in place."""
        import numpy as np

        matrix, norms = self._matrix, self._norms
        if matrix is None:
            matrix = np.empty((len(self._ordinals), 0), dtype=np.float32)
        usable = self._filled & np.isfinite(norms) & (norms > 0)
        if not usable.all():
            matrix = _compact(matrix, usable)
        return Rows(
            self._ordinals[usable], self._entity[usable], self._extra[usable], matrix,
            int((~self._filled).sum()), int((self._filled & ~usable).sum()), norms[usable],
        )  # fmt: skip


def unequal(space: str, one: int, other: int) -> KernelError:
    """The sentence for a space whose vectors have different lengths."""
    return KernelError(f"vectors of {space} have different lengths ({one}, {other}); re-embed the relation")


def literal(text: str) -> str:
    """A text in SQL, quoted so that no value can become SQL."""
    return "'" + text.replace("'", "''") + "'"


def _compact(matrix: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Move the usable rows to the front, in place, and return them as a view."""
    end = 0
    for start in range(0, len(matrix), BATCH):
        block = matrix[start : start + BATCH][usable[start : start + BATCH]]
        matrix[end : end + len(block)] = block
        end += len(block)
    return matrix[:end]
