"""Reading and writing DuckDB: what the common SQL of the store leaves to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from samespace._job import Encoded
from samespace.errors import StorageError
from samespace.io._schema import REGISTRY, TABLES, cache_table
from samespace.io._store import NOW, Store, quote
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What the log may hold before a fill ends: it is read again only after a crash.
CHECKPOINT_BYTES = "1GB"


class DuckDBStore(Store):
    """The package's own schema in one DuckDB database, through a connection that somebody else owns."""

    def __init__(self, connection: Any, catalog: str, schema: str) -> None:
        self.connection, self.catalog = connection, catalog
        self.schema = f"{quote(catalog)}.{quote(schema)}"

    @property
    def identity(self) -> str:
        path = self._rows("select path from duckdb_databases() where database_name = ?", [self.catalog])
        return f"duckdb:{path[0][0] if path else ''}:{self.schema}"

    def prepare(self) -> None:
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
        columns = self._cache_columns(spec.dimension)
        if temporary:
            self._create_temp(name := quote(f"__samespace_cache_{spec.digest}"), f"({columns})")
            return name
        name = self.table(cache_table(spec.digest))
        self._run(f"create table if not exists {name} ({columns})")
        return name

    def _has_registry(self) -> bool:
        return bool(
            self._rows(
                "select 1 from duckdb_tables() where table_name = ? "
                "and concat('\"', replace(database_name, '\"', '\"\"'), '\".\"', "
                "replace(schema_name, '\"', '\"\"'), '\"') = ?",
                [REGISTRY, self.schema],
            )
        )

    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None:
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
    ) -> tuple[int, int]:
        self._run(
            f"create or replace temp table __samespace_pending as with missing as ("
            f"select content_hash, any_value({quote(text)}) as value from {stage} "
            f"where content_hash is not null and content_hash not in "
            f"(select content_hash from {cache} where role = ?) group by content_hash), "
            f"numbered as (select *, row_number() over longest - 1 as position, "
            f"sum(strlen(value)) over longest as bytes from missing "
            f"window longest as (order by length(value) desc, content_hash)) "
            f"select content_hash, value, dense_rank() over "
            f"(order by position // {rows}, cast(bytes // {size} as bigint)) as page from numbered",
            [role],
        )
        pending, length = self._rows(
            "select count(*), coalesce(sum(length(value)), 0) from __samespace_pending"
        )[0]
        return int(pending), int(length)

    @contextmanager
    def writing(self) -> Iterator[None]:
        # A checkpoint writes the last 122,880 rows of a table again, and comes with every 16 MB of the log:
        # pages would be compressed ten times over. https://duckdb.org/docs/stable/configuration/overview
        before = self._rows("select current_setting('checkpoint_threshold')")[0][0]
        changed = self._set_checkpoint(CHECKPOINT_BYTES)
        try:
            yield
        finally:
            if changed:
                self._set_checkpoint(before)

    def _set_checkpoint(self, size: str) -> bool:
        try:
            self._run(f"set global checkpoint_threshold = '{size}'")
        except Exception:  # noqa: BLE001  # a locked configuration: slower, and just as right
            return False
        return True

    def write_page(self, cache: str, role: Role, page: Encoded) -> None:
        import pyarrow as pa

        count, dimension = page.vectors.shape
        missing = ~page.usable()
        values = pa.FixedSizeListArray.from_arrays(
            pa.array(page.vectors.ravel()), dimension, mask=pa.array(missing) if missing.any() else None
        )
        table = pa.table(
            {
                "content_hash": pa.array(page.hashes, pa.string()),
                "embedding": values,
                "tokens": _column(page.tokens, count, pa.int32()),
                "truncated": _column(page.truncated, count, pa.bool_()),
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

    def _vector_type(self, dimension: int) -> str:
        return f"float[{dimension}]"

    def _create_temp(self, name: str, definition: str) -> None:
        self._run(f"create or replace temp table {name} {definition}")

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        self.connection.execute(sql, parameters) if parameters is not None else self.connection.execute(sql)

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        self._run(sql, parameters)
        return self.connection.fetchall()  # type: ignore[no-any-return]


def _column(values: NDArray[Any] | None, count: int, kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(count, kind) if values is None else pa.array(values, kind)
