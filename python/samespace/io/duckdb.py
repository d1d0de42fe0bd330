"""Reading and writing DuckDB: the registry, the cache, the stage. All SQL of the pump on DuckDB is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samespace import __version__
from samespace.canaries import Registration, checksum
from samespace.errors import StorageError
from samespace.io._schema import CACHE_COLUMNS, REGISTRY, TABLES, cache_table
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


@dataclass(frozen=True)
class Page:
    """One page of pending texts: hashes and texts of equal length, in the order they are embedded."""

    hashes: list[str]
    texts: list[str]


class DuckDBStore:
    """The package's own schema in one DuckDB database, through a connection that somebody else owns."""

    def __init__(self, connection: Any, catalog: str, schema: str) -> None:
        self.connection, self.catalog = connection, catalog
        self.schema = f"{quote(catalog)}.{quote(schema)}"

    @property
    def identity(self) -> str:
        path = self._rows("select path from duckdb_databases() where database_name = ?", [self.catalog])
        return f"duckdb:{path[0][0] if path else ''}:{self.schema}"

    def table(self, name: str) -> str:
        return f"{self.schema}.{quote(name)}"

    def prepare(self) -> None:
        """Create the schema and its tables where they are missing; StorageError where that is refused."""
        try:
            self._run(f"create schema if not exists {self.schema}")
        except Exception as error:  # the driver's own classes would make this module import it
            raise StorageError(
                f"samespace: the schema {self.schema} is not there and cannot be created: {error}. "
                "Create it, or point the var samespace_schema at a schema that may be written to."
            ) from error
        for name, columns in TABLES.items():
            typed = columns.format(float_list="float[]", text_list="text[]")
            self._run(f"create table if not exists {self.table(name)} ({typed})")

    def prepare_cache(self, spec: ModelSpec, temporary: bool = False) -> str:
        """The cache table of a model, created where missing. Temporary: of this connection, empty."""
        columns = CACHE_COLUMNS.format(vector=f"float[{spec.dimension}]")
        if temporary:
            name = quote(f"__samespace_cache_{spec.digest}")
            self._run(f"create or replace temp table {name} ({columns})")
            return name
        name = self.table(cache_table(spec.digest))
        self._run(f"create table if not exists {name} ({columns})")
        return name

    def registration(self, model_id: str) -> Registration | None:
        import numpy as np

        if not self._has_registry():
            return None
        rows = self._rows(
            "select digest, canary_version, canaries, dimension, revision, checksum, space, unit_norm, "
            f"verified from {self.table(REGISTRY)} where model_id = ?",
            [model_id],
        )
        if not rows:
            return None
        digest, version, flat, dimension, revision, stored, *facts = rows[0]
        if len(rows) > 1 or not dimension or len(flat) % dimension:
            raise self._unreadable(model_id)
        vectors = np.asarray(flat, dtype=np.float32).reshape(-1, dimension)
        row = Registration(model_id, digest, version, vectors, revision, *facts)
        if checksum(row) != stored:
            raise self._unreadable(model_id)
        return row

    def _has_registry(self) -> bool:
        return bool(
            self._rows(
                "select 1 from duckdb_tables() where table_name = ? "
                "and concat('\"', replace(database_name, '\"', '\"\"'), '\".\"', "
                "replace(schema_name, '\"', '\"\"'), '\"') = ?",
                [REGISTRY, self.schema],
            )
        )

    def _unreadable(self, model_id: str) -> StorageError:
        return StorageError(
            f"samespace: the row of {model_id} in {self.table(REGISTRY)} is not what samespace wrote: it was "
            "edited or damaged. Restore it from a backup, or bump version: in the model's spec to start a "
            "new "
            "space. Nothing was embedded."
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
            f"values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {NOW}, {NOW})",
            [
                spec.model_id, row.space, spec.name, spec.provider, spec.digest, spec.to_json(),
                spec.dimension, row.unit_norm, row.verified, row.revision, row.canary_version,
                row.canaries.ravel(), checksum(row), __version__,
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
        kept = f"select content_hash, embedding from {cache} where role = ?"
        values: list[Any] = [role]
        if target:
            kept += f" union all select content_hash, embedding from {target} where model_id = ?"
            values.append(spec.model_id)
        rows = self._rows(
            f"select any_value(s.{quote(text)}), any_value(k.embedding) from {stage} as s join ({kept}) as k "
            "on k.content_hash = s.content_hash where k.embedding is not null "
            f"group by s.content_hash order by s.content_hash limit {PROOF_ROWS}",
            values,
        )
        return [(row[0], list(row[1])) for row in rows]

    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None:
        """Take vectors that the target already holds under this model_id into the cache."""
        self._run(
            f"insert into {cache} (role, content_hash, embedding, created_at) "
            f"select ?, content_hash, any_value(embedding), {NOW} from {target} "
            "where model_id = ? and embedding is not null "
            f"and content_hash in (select content_hash from {stage}) "
            f"and content_hash not in (select content_hash from {cache} where role = ?) "
            "group by content_hash",
            [role, model_id, role],
        )

    def collect_pending(
        self, stage: str, text: str, cache: str, role: Role, rows: int, size: int
    ) -> tuple[int, int, int]:
        """Number the texts to embed, longest first, in pages of up to ``rows`` texts and some ``size`` bytes.

        Returns (distinct texts in the stage, texts to embed, their characters).
        """
        self._run(
            f"create or replace temp table __samespace_pending as with missing as ("
            f"select content_hash, any_value({quote(text)}) as value from {stage} "
            f"where content_hash is not null and content_hash not in "
            f"(select content_hash from {cache} where role = ?) group by content_hash), "
            f"numbered as (select *, row_number() over longest - 1 as position, "
            f"sum(octet_length(encode(value))) over longest as bytes from missing "
            f"window longest as (order by length(value) desc, content_hash)) "
            f"select content_hash, value, dense_rank() over "
            f"(order by position // {rows}, cast(bytes // {size} as bigint)) as page from numbered",
            [role],
        )
        distinct = self._rows(f"select count(distinct content_hash) from {stage}")[0][0]
        pending, length = self._rows(
            "select count(*), coalesce(sum(length(value)), 0) from __samespace_pending"
        )[0]
        return int(distinct), int(pending), int(length)

    def pages(self) -> int:
        return int(self._rows("select coalesce(max(page), 0) from __samespace_pending")[0][0])

    def page(self, number: int) -> Page:
        rows = self._rows("select content_hash, value from __samespace_pending where page = ?", [number])
        return Page([row[0] for row in rows], [row[1] for row in rows])

    def write_page(
        self,
        cache: str,
        role: Role,
        hashes: Sequence[str],
        vectors: NDArray[np.float32],
        tokens: Sequence[int] | None,
        truncated: Sequence[bool] | None,
    ) -> None:
        """Append one page to the cache: one statement, so all of it or nothing. All-zero rows become NULL."""
        import pyarrow as pa

        count, dimension = vectors.shape
        missing = ~vectors.any(axis=1)
        values = pa.FixedSizeListArray.from_arrays(
            pa.array(vectors.ravel()), dimension, mask=pa.array(missing) if missing.any() else None
        )
        table = pa.table(
            {
                "content_hash": pa.array(hashes, pa.string()),
                "embedding": values,
                "tokens": _column(tokens, count, pa.int32()),
                "truncated": _column(truncated, count, pa.bool_()),
            }
        )
        self.connection.register("__samespace_page", table)
        try:
            self._run(
                f"insert into {cache} select ?, content_hash, embedding, tokens, truncated, {NOW}, null "
                "from __samespace_page",
                [role],
            )
        finally:
            self.connection.unregister("__samespace_page")

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
            f"select content_hash, embedding from {cache} "
            "where role = ? and content_hash in (select unnest(?))",
            [role, list(hashes)],
        )
        return {row[0]: None if row[1] is None else np.asarray(row[1], dtype=np.float32) for row in rows}

    def write_outcome(self, rows: Sequence[Sequence[Any]]) -> None:
        """Hand the result back to Jinja: one row per model, in a temp table of this connection."""
        self._run(
            "create or replace temp table __samespace_outcome (model_id text, message text, cache text, "
            "distinct_texts bigint, embedded bigint, tokens bigint, seconds double, engine text, "
            "precision text)"
        )
        for row in rows:
            self._run("insert into __samespace_outcome values (?, ?, ?, ?, ?, ?, ?, ?, ?)", list(row))

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        self.connection.execute(sql, parameters) if parameters is not None else self.connection.execute(sql)

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        self._run(sql, parameters)
        return self.connection.fetchall()  # type: ignore[no-any-return]


def _column(values: Sequence[Any] | None, count: int, kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(count, kind) if values is None else pa.array(values, kind)
