"""Reading and writing DuckDB: what the common SQL of the store leaves to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samespace.errors import StorageError
from samespace.io._schema import REGISTRY, TABLES, cache_table
from samespace.io._store import NOW, Store, quote
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    ) -> tuple[int, int, int]:
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

    def write_page(
        self,
        cache: str,
        role: Role,
        hashes: Sequence[str],
        vectors: NDArray[np.float32],
        tokens: Sequence[int] | None,
        truncated: Sequence[bool] | None,
    ) -> None:
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

    def _vector_type(self, dimension: int) -> str:
        return f"float[{dimension}]"

    def _create_temp(self, name: str, definition: str) -> None:
        self._run(f"create or replace temp table {name} {definition}")

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        self.connection.execute(sql, parameters) if parameters is not None else self.connection.execute(sql)

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        self._run(sql, parameters)
        return self.connection.fetchall()  # type: ignore[no-any-return]


def _column(values: Sequence[Any] | None, count: int, kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(count, kind) if values is None else pa.array(values, kind)
