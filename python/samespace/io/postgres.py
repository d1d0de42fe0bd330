"""Reading and writing PostgreSQL with pgvector: what the common SQL of the store leaves to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from samespace._job import Encoded, Page
from samespace._registry import Registration
from samespace.errors import RightsError, StorageError
from samespace.io import _grants
from samespace.io._copy import CACHE_FIELDS, Pieces, encode_rows, read_array, read_vector
from samespace.io._pooler import SENTENCE, refuse_transaction_pooler
from samespace.io._schema import CACHE_KEY, KEYS, REGISTRY, TABLES, cache_table
from samespace.io._session import JobConnection, Session, lock_key
from samespace.io._store import Store, quote
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIQUE_VIOLATION = "23505"
# The type itself ends there (pgvector, VECTOR_MAX_DIM).
MOST_DIMENSIONS = 16_000
# A page holds a row of 8,160 bytes, and the other columns of a cache row take up to 128.
MOST_INLINE = 2_000

__all__ = ["JobConnection", "PostgresStore"]


class PostgresStore(Store):
    """The package's own schema in one PostgreSQL database, on dbt's connection.

    Every statement commits by itself (inside ``session.committing``), so that nothing is open while a model
    encodes. ``grants``: {"build": [roles], "read": [roles]}.
    """

    any_value: ClassVar[str] = "(array_agg({0}))[1]"  # any_value is of PostgreSQL 16
    # Digits depend on extra_float_digits, bytes do not.
    sent_vector: ClassVar[str] = "vector_send(cast({0} as vector))"
    sent_list: ClassVar[str] = "array_send({0})"
    # Bytewise: faster to compare, and an index that outlives a new version of the system's collations.
    text_type: ClassVar[str] = 'text collate "C"'
    # UTC, without a search for the zone's name in every row.
    created_default: ClassVar[str] = " default (now() at time zone interval '0')"
    _list_parameter: ClassVar[str] = "cast(? as real[])"

    def __init__(
        self, connection: JobConnection, schema: str, grants: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.session = Session(connection, schema)
        self.schema, self.grants = quote(schema), grants or {}
        self.ddl_lock = lock_key("ddl", schema)
        # Texts kept by this store, by cache table.
        self.written: dict[str, int] = {}
        self._probed = False
        self._temporary: set[str] = set()

    @property
    def identity(self) -> str:
        info, facts = self.session.handle.info, self.session.facts
        return f"postgres:{info.host}:{info.port}:{facts.database}:{facts.database_oid}:{self.schema}"

    def refuse_pooler(self) -> None:
        """StorageError where this connection has no backend to itself. Asks once."""
        if not self._probed and not self.session.depth:
            refuse_transaction_pooler(self.session.connection)
        self._probed = True

    def filling(self, spec: ModelSpec, temporary: bool) -> AbstractContextManager[bool]:
        if temporary:
            return nullcontext(True)
        return self.session.trying(lock_key("fill", self.schema, spec.digest))

    def exclusive(self, digest: str) -> AbstractContextManager[None]:
        self.refuse_pooler()
        return self.session.holding(lock_key("register", self.schema, digest))

    def prepare(self) -> None:
        self._check_database()
        present = self._present()
        if present is not None and set(TABLES) <= present:
            return
        with self.session.unit():
            self._run("select pg_advisory_xact_lock(?)", [self.ddl_lock])
            if self._present() is None:
                self._run(f"create schema {self.schema}")
            for name, columns in TABLES.items():
                key = f", primary key ({KEYS[name]})" if name in KEYS else ""
                typed = columns.format(float_list="real[]", text_list="text[]")
                self._run(f"create table if not exists {self.table(name)} ({typed}{key})")

    def _check_database(self) -> None:
        facts = self.session.facts
        if facts.encoding != "UTF8":
            raise StorageError(
                f"samespace: the database {facts.database} is encoded as {facts.encoding}; it has to be "
                "UTF8, or the same text would have another hash here. Create a database with encoding 'UTF8'."
            )
        if not facts.has_vector:
            raise StorageError(
                f"samespace: the type vector is not to be found in the database {facts.database}. Let an "
                "administrator run  create extension vector;  or, where it is installed, put the schema that "
                "holds it on the search_path of the profile."
            )

    def prepare_cache(self, spec: ModelSpec, temporary: bool = False) -> str:
        columns = f"{self._cache_columns(spec.dimension)}, primary key ({CACHE_KEY})"
        if temporary:
            self._create_temp(name := quote(f"__samespace_cache_{spec.digest}"), f"({columns})")
            self._temporary.add(name)
        else:
            name = self.table(cache_table(spec.digest))
            if cache_table(spec.digest) not in (self._present() or ()):
                self._create_cache(name, columns, spec.dimension)
        _grants.apply(self.session, self.grants, self.ddl_lock)
        return name

    def _create_cache(self, name: str, columns: str, dimension: int) -> None:
        with self.session.unit():
            self._run("select pg_advisory_xact_lock(?)", [self.ddl_lock])
            self._run(f"create table if not exists {name} ({columns})")
            if dimension <= MOST_INLINE:
                # pgvector's default moves vectors of more than 2 kB (500 numbers) into a second table with an
                # index of its own: writing then costs a fifth more, and one vector is two searches away.
                self._run(f"alter table {name} alter column embedding set storage plain")

    def _present(self) -> set[str] | None:
        """Names of the tables in our schema; None where there is no such schema."""
        rows = self._rows(
            "select c.relname from pg_namespace as n left join pg_class as c "
            "on c.relnamespace = n.oid and c.relkind in ('r', 'p') where n.nspname = ?",
            [self.session.schema],
        )
        return {row[0] for row in rows} if rows else None

    def _has_registry(self) -> bool:
        return REGISTRY in (self._present() or ())

    def mark_verified(self, row: Registration) -> None:
        try:
            with self.session.unit():
                super().mark_verified(row)
        except RightsError:
            # A role that only reads may search; when the check last passed is then not noted.
            return

    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None:
        # Half precision is not what the model returned: it may come back to its table, not into the cache.
        if cache not in self._temporary and self._column_type(target) == "halfvec":
            return
        self._run(
            f"insert into {cache} (role, content_hash, embedding) "
            f"select ?, t.content_hash, cast(t.embedding as vector) from {target} as t "
            "where t.model_id = ? and t.embedding is not null "
            f"and exists (select 1 from {stage} as s where s.content_hash = t.content_hash) "
            f"and not exists (select 1 from {cache} as c "
            "where c.role = ? and c.content_hash = t.content_hash) on conflict do nothing",
            [role, model_id, role],
        )

    def _column_type(self, relation: str) -> str | None:
        rows = self._rows(
            "select t.typname from pg_attribute as a inner join pg_type as t on t.oid = a.atttypid "
            "where a.attrelid = to_regclass(?) and a.attname = 'embedding' and not a.attisdropped",
            [relation],
        )
        return rows[0][0] if rows else None

    def collect_pending(
        self, stage: str, text: str, cache: str, role: Role, rows: int, size: int
    ) -> tuple[int, int]:
        self._run("drop table if exists pg_temp.__samespace_pending")
        self._run(
            "create temp table __samespace_pending as with missing as ("
            f'select s.content_hash, min(cast(s.{quote(text)} as text) collate "C") as value '
            f"from {stage} as s "
            "where s.content_hash is not null and not exists "
            f"(select 1 from {cache} as c where c.role = ? and c.content_hash = s.content_hash) "
            "group by s.content_hash), "
            "numbered as (select *, row_number() over longest as place, "
            "sum(octet_length(value)) over longest as bytes from missing window longest as "
            '(order by length(value) desc, content_hash collate "C" rows unbounded preceding)) '
            "select content_hash, value, place, dense_rank() over "
            f"(order by (place - 1) / {rows}, bytes / {size}) as page from numbered order by place",
            [role],
        )
        # Every page is one search of the index.
        self._run("create index on __samespace_pending (page)")
        self._run("analyze __samespace_pending")
        pending, length = self._rows(
            "select count(*), coalesce(sum(length(value)), 0) from __samespace_pending"
        )[0]
        return int(pending), int(length)

    def page(self, number: int) -> Page:
        rows = self._rows(
            "select content_hash, value, pg_backend_pid() from __samespace_pending "
            "where page = ? order by place",
            [number],
        )
        if rows and rows[0][2] != self.session.facts.pid:
            raise StorageError(SENTENCE)
        return Page([row[0] for row in rows], [row[1] for row in rows])

    def write_page(self, cache: str, role: Role, page: Encoded) -> None:
        try:
            with self.session.unit():
                self._copy_into(cache, role, page)
        except Exception as error:
            if getattr(error, "pgcode", None) != UNIQUE_VIOLATION:
                raise
            self._write_missing(cache, role, page)
        if cache not in self._temporary:
            self.written[cache] = self.written.get(cache, 0) + len(page.hashes)

    def _write_missing(self, cache: str, role: Role, page: Encoded) -> None:
        """A query text of this page was cached by another session meanwhile: keep the rest."""
        with self.session.unit():
            self._run("drop table if exists pg_temp.__samespace_page")
            self._run(f"create temp table __samespace_page (like {cache} including defaults) on commit drop")
            self._copy_into("__samespace_page", role, page)
            self._run(f"insert into {cache} select * from __samespace_page on conflict do nothing")

    def _copy_into(self, table: str, role: Role, page: Encoded) -> None:
        sql = f"copy {table} ({CACHE_FIELDS}) from stdin (format binary)"
        self.session.copy(sql, Pieces(encode_rows(role, page)))

    def _vector_type(self, dimension: int) -> str:
        if dimension > MOST_DIMENSIONS:
            raise StorageError(
                f"samespace: vectors of {dimension:,} numbers do not fit into PostgreSQL: the type vector "
                f"ends at {MOST_DIMENSIONS:,}. Use a model of a lower dimension."
            )
        return f"vector({dimension})"

    def _create_temp(self, name: str, definition: str) -> None:
        self._run(f"drop table if exists pg_temp.{name}")
        self._run(f"create temp table {name} {definition}")

    def _run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        self.session.run(sql, parameters)

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        return self.session.rows(sql, parameters)

    def _read_list(self, sent: Any) -> Any:
        return read_array(sent)

    def _read_vector(self, sent: Any) -> Any:
        return read_vector(sent)

    def _write_list(self, values: NDArray[np.float32]) -> Any:
        # Text, because numbers that are sent as such lose the sign of zero.
        return "{" + ",".join(map(str, values)) + "}"
