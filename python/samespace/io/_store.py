"""The registry, the cache and the pages of the pump in SQL that is the same on every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from samespace import __version__
from samespace._job import Coverage, Encoded, Page
from samespace._registry import Registration, checksum
from samespace.errors import StorageError
from samespace.io._schema import CACHE_COLUMNS, OUTCOME, REGISTRY
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Texts that are embedded again where vectors are found without a registration.
PROOF_ROWS = 16
NOW = "cast(now() at time zone 'UTC' as timestamp)"


def quote(identifier: str) -> str:
    """An identifier that no value can break out of."""
    return '"' + identifier.replace('"', '""') + '"'


class Store(ABC):
    """The package's own schema in one database, through a connection that somebody else owns.

    A subclass says how a statement runs ('?' marks parameters), how its types are called and how vectors come
    back. ``schema`` is quoted.
    """

    # {0} is an expression. Which of equal values is taken does not matter.
    any_value: ClassVar[str] = "any_value({0})"
    # A vector, and a list of floats, as the driver should return them.
    sent_vector: ClassVar[str] = "{0}"
    sent_list: ClassVar[str] = "{0}"
    text_type: ClassVar[str] = "text"
    created_default: ClassVar[str] = ""
    schema: str

    @property
    @abstractmethod
    def identity(self) -> str:
        """Equal for equal registries."""

    @abstractmethod
    def prepare(self) -> None:
        """Create the schema and its tables where they are missing; StorageError where that is refused."""

    @abstractmethod
    def prepare_cache(self, spec: ModelSpec, temporary: bool = False) -> str:
        """The cache table of a model, created where missing. Temporary: of this connection, empty."""

    @abstractmethod
    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None:
        """Take vectors that the target already holds under this model_id into the cache."""

    @abstractmethod
    def collect_pending(
        self, stage: str, text: str, cache: str, role: Role, rows: int, size: int
    ) -> tuple[int, int]:
        """Number the texts to embed, longest first, in pages of up to ``rows`` texts and some ``size`` bytes.

        Returns (texts to embed, their characters).
        """

    @abstractmethod
    def write_page(self, cache: str, role: Role, page: Encoded) -> None:
        """Add one page to the cache: all of it or nothing. All-zero rows become NULL."""

    @abstractmethod
    def _has_registry(self) -> bool: ...
    @abstractmethod
    def _vector_type(self, dimension: int) -> str: ...
    @abstractmethod
    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None: ...
    @abstractmethod
    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]: ...
    @abstractmethod
    def _create_temp(self, name: str, definition: str) -> None:
        """(Re)create a temp table of this connection; ``definition`` is its columns in parentheses."""

    def filling(self, spec: ModelSpec, temporary: bool) -> AbstractContextManager[bool]:
        """Hold the right to fill a cache; False where another session has it. Does not wait."""
        return nullcontext(True)

    def writing(self) -> AbstractContextManager[None]:
        """Around the pages of one fill."""
        return nullcontext()

    def exclusive(self, digest: str) -> AbstractContextManager[None]:
        """Wait for, then hold, the right to register and check this fingerprint, against other processes."""
        return nullcontext()

    def table(self, name: str) -> str:
        return f"{self.schema}.{quote(name)}"

    def registration(self, model_id: str) -> Registration | None:
        import numpy as np

        if not self._has_registry():
            return None
        rows = self._rows(
            f"select digest, canary_version, {self.sent_list.format('canaries')}, dimension, revision, "
            f"checksum, space, unit_norm, verified from {self.table(REGISTRY)} where model_id = ?",
            [model_id],
        )
        if not rows:
            return None
        digest, version, sent, dimension, revision, stored, *facts = rows[0]
        flat = np.asarray(self._read_list(sent), dtype=np.float32)
        if len(rows) > 1 or not dimension or len(flat) % dimension:
            raise self._unreadable(model_id)
        row = Registration(model_id, digest, version, flat.reshape(-1, dimension), revision, *facts)
        if checksum(row) != stored:
            raise self._unreadable(model_id)
        return row

    def _unreadable(self, model_id: str) -> StorageError:
        return StorageError(
            f"samespace: the row of {model_id} in {self.table(REGISTRY)} is not what samespace wrote: it was "
            "edited or damaged. Restore it from a backup, or bump version: in the model's spec to start a "
            "new space. Nothing was embedded."
        )

    def twin(self, spec: ModelSpec) -> Registration | None:
        """The first registration of the same fingerprint under another name."""
        rows = self._has_registry() and self._rows(
            f"select model_id from {self.table(REGISTRY)} where digest = ? and model_id <> ? "
            "order by first_used_at limit 1",
            [spec.digest, spec.model_id],
        )
        return self.registration(rows[0][0]) if rows else None

    def register(self, spec: ModelSpec, row: Registration) -> None:
        self._run(
            f"insert into {self.table(REGISTRY)} "
            f"values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {self._list_parameter}, ?, ?, {NOW}, {NOW})",
            [
                spec.model_id, row.space, spec.name, spec.provider, spec.digest, spec.to_json(),
                spec.dimension, row.unit_norm, row.verified, row.revision, row.canary_version,
                self._write_list(row.canaries.ravel()), checksum(row), __version__,
            ],
        )  # fmt: skip

    def mark_verified(self, row: Registration) -> None:
        """Note the time of a passed check, and the space that the project declares for the model now."""
        self._run(
            f"update {self.table(REGISTRY)} set last_verified_at = {NOW}, space = ?, verified = ?, "
            "checksum = ? where model_id = ?",
            [row.space, row.verified, checksum(row), row.model_id],
        )

    def unproven(
        self, cache: str, stage: str, text: str, target: str | None, spec: ModelSpec, role: Role
    ) -> list[tuple[str, list[float]]]:
        """Some (text, vector) kept under a fingerprint that the registry has no row for. Loads no NumPy."""
        if self._rows(f"select 1 from {self.table(REGISTRY)} where digest = ? limit 1", [spec.digest]):
            return []
        vector = self.sent_vector.format("embedding")
        kept = (
            f"select content_hash, {vector} as embedding from {cache} where role = ? "
            "and embedding is not null"
        )
        values: list[Any] = [role]
        if target:
            kept += (
                f" union all select content_hash, {vector} from {target} where model_id = ? "
                "and embedding is not null"
            )
            values.append(spec.model_id)
        rows = self._rows(
            f"select {self.any_value.format('s.' + quote(text))}, {self.any_value.format('k.embedding')} "
            f"from {stage} as s join ({kept}) as k on k.content_hash = s.content_hash "
            f"group by s.content_hash order by s.content_hash limit {PROOF_ROWS}",
            values,
        )
        return [(row[0], list(self._read_vector(row[1]))) for row in rows]

    def coverage(self, stage: str, cache: str, role: Role) -> Coverage:
        """How far the cache covers the stage, in one pass over both. Reads no vector."""
        row = self._rows(
            "select count(*), count(*) - count(c.content_hash), "
            "coalesce(sum(case when c.truncated then 1 else 0 end), 0) "
            f"from (select content_hash from {stage} where content_hash is not null group by content_hash) "
            f"as s left join {cache} as c on c.content_hash = s.content_hash and c.role = ?",
            [role],
        )[0]
        return Coverage(*map(int, row))

    def pages(self) -> int:
        return int(self._rows("select coalesce(max(page), 0) from __samespace_pending")[0][0])

    def page(self, number: int) -> Page:
        rows = self._rows("select content_hash, value from __samespace_pending where page = ?", [number])
        return Page([row[0] for row in rows], [row[1] for row in rows])

    def keys_of(self, stage: str, key: str, content_hash: str) -> list[str]:
        """Up to five keys of rows that hold this text."""
        rows = self._rows(
            f"select cast({quote(key)} as varchar) from {stage} where content_hash = ? order by 1 limit 5",
            [content_hash],
        )
        return [str(row[0]) for row in rows]

    def cached_vectors(
        self, cache: str, role: Role, hashes: Sequence[str]
    ) -> dict[str, NDArray[np.float32] | None]:
        """The kept vectors by content_hash: float32 [dimension], None for a text that has no vector."""
        import numpy as np

        rows = self._rows(
            f"select content_hash, {self.sent_vector.format('embedding')} from {cache} "
            "where role = ? and content_hash in (select unnest(cast(? as text[])))",
            [role, list(hashes)],
        )
        return {
            row[0]: None if row[1] is None else np.asarray(self._read_vector(row[1]), dtype=np.float32)
            for row in rows
        }

    def write_outcome(self, rows: Sequence[Sequence[Any]]) -> None:
        """Hand the result back to Jinja: one row per model (columns of ``OUTCOME``), in a temp table."""
        self._create_temp("__samespace_outcome", f"({OUTCOME})")
        for row in rows:
            self._run(f"insert into __samespace_outcome values ({', '.join('?' * len(row))})", list(row))

    def _cache_columns(self, dimension: int) -> str:
        return CACHE_COLUMNS.format(
            text=self.text_type, vector=self._vector_type(dimension), now=self.created_default
        )

    # Engines whose driver neither returns nor takes a list of floats bit by bit say how.
    _list_parameter: ClassVar[str] = "?"

    def _read_list(self, sent: Any) -> Any:
        return sent

    def _read_vector(self, sent: Any) -> Any:
        return sent

    def _write_list(self, values: NDArray[np.float32]) -> Any:
        return values
