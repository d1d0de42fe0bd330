"""Statements, transactions and locks on a psycopg2 connection that dbt owns, and gets back as it was."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from samespace._faults import StoppedError
from samespace.errors import RightsError, StorageError

if TYPE_CHECKING:
    import threading
    from datetime import datetime

POLL_SECONDS = 0.2
COPY_BYTES = 128 * 1024
INSUFFICIENT_PRIVILEGE = "42501"
# libpq's transaction states.
IDLE, IN_TRANSACTION = 0, 2


class JobConnection(Protocol):
    """What a job needs of dbt's connection; the adapter implements it."""

    @property
    def handle(self) -> Any:
        """The psycopg2 connection of this dbt thread; autocommit may be on or off."""

    @property
    def stopped(self) -> threading.Event:
        """Set when dbt cancels the node; from then on nothing may reconnect."""

    def reconnect(self) -> None:
        """Open a new session on the same dbt connection, waiting for a restarting server; or raise."""

    def second(self) -> AbstractContextManager[Any]:
        """Another session with the same credentials, autocommit on."""


@dataclass(frozen=True)
class Facts:
    """Who and where a session is."""

    role: str
    database: str
    database_oid: int
    encoding: str
    pid: int
    since: datetime | None
    has_vector: bool


@lru_cache(maxsize=256)
def with_marks(sql: str) -> str:
    """psycopg2's marks: '?' becomes '%s', and every other '%' is doubled. Quoted names keep their '?'."""
    quoted = r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\?|%'
    return re.sub(quoted, lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), sql)


def lock_key(*names: str) -> int:
    """A key for advisory locks, a signed 64-bit number."""
    digest = hashlib.sha256("\0".join(("samespace", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class Session:
    """One job on one connection. Inside ``committing`` each statement commits by itself."""

    def __init__(self, connection: JobConnection, schema: str) -> None:
        self.connection, self.schema = connection, schema
        self.depth = 0

    @property
    def handle(self) -> Any:
        return self.connection.handle

    @cached_property
    def facts(self) -> Facts:
        row = self.rows(
            "select current_user, current_database(), d.oid::bigint, pg_encoding_to_char(d.encoding), "
            "pg_backend_pid(), "
            "(select a.backend_start from pg_stat_activity as a where a.pid = pg_backend_pid()), "
            "to_regtype('vector') is not null "
            "from pg_database as d where d.datname = current_database()"
        )[0]
        return Facts(*row)

    @contextmanager
    def committing(self, keep_transaction: bool = False) -> Iterator[None]:
        """Autocommit while inside; the connection is idle, and as it was, afterwards.

        ``keep_transaction``: where the caller's transaction has written something, it is his to commit: then
        everything happens inside it.
        """
        handle = self.handle
        if keep_transaction and handle.info.transaction_status == IN_TRANSACTION and self._has_written():
            self.depth += 1
            try:
                yield
            finally:
                self.depth -= 1
            return
        before = handle.autocommit
        self._end_transaction(handle)
        handle.autocommit = True
        try:
            _ = self.facts  # known before anything can fail
            yield
        finally:
            if not handle.closed:
                handle.autocommit = before

    @staticmethod
    def _end_transaction(handle: Any) -> None:
        if not handle.autocommit:
            handle.commit()
        elif handle.info.transaction_status != IDLE:
            # Begun by a statement: the driver's own commit would do nothing.
            with handle.cursor() as cursor:
                cursor.execute("commit")

    def _has_written(self) -> bool:
        return bool(self.rows("select pg_current_xact_id_if_assigned() is not null")[0][0])

    @contextmanager
    def unit(self) -> Iterator[None]:
        """Everything inside, or nothing of it."""
        nested = "savepoint __samespace"
        begin, end, undo = (
            (nested, f"release {nested}", f"rollback to {nested}")
            if self.depth
            else ("begin", "commit", "rollback")
        )
        self.run(begin)
        self.depth += 1
        try:
            yield
            self.run(end)
        except BaseException:
            with suppress(Exception):  # the connection may be gone; what is raised says why
                self.run(undo)
            raise
        finally:
            self.depth -= 1

    def run(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        with self.handle.cursor() as cursor:
            self._execute(cursor, sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self.handle.cursor() as cursor:
            self._execute(cursor, sql, parameters)
            return cursor.fetchall()  # type: ignore[no-any-return]

    def copy(self, sql: str, file: Any) -> None:
        """COPY from or to a file object."""
        with self.handle.cursor() as cursor, self._saying_rights():
            cursor.copy_expert(sql, file, size=COPY_BYTES)

    def _execute(self, cursor: Any, sql: str, parameters: Sequence[Any] | None) -> None:
        with self._saying_rights():
            if parameters is None:
                cursor.execute(sql)
            else:
                cursor.execute(with_marks(sql), list(parameters))

    @contextmanager
    def _saying_rights(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the driver's own classes would make this module import it
            if getattr(error, "pgcode", None) == INSUFFICIENT_PRIVILEGE:
                raise self._rights_error(error) from error
            raise

    def _rights_error(self, error: Any) -> StorageError:
        from samespace.io._grants import rights_sentence

        facts = self.__dict__.get("facts")
        role = facts.role if facts else self.handle.info.user
        return RightsError(rights_sentence(role, self.schema, str(error.diag.message_primary or error)))

    def try_lock(self, key: int) -> bool:
        return bool(self.rows("select pg_try_advisory_lock(?)", [key])[0][0])

    def unlock(self, key: int) -> None:
        """Give a session lock back; a connection that is gone has given it back already."""
        if not self.handle.closed:
            with suppress(Exception):
                self.run("select pg_advisory_unlock(?)", [key])

    @contextmanager
    def trying(self, key: int) -> Iterator[bool]:
        """Hold a session lock if nobody else does; says whether."""
        mine = self.try_lock(key)
        try:
            yield mine
        finally:
            if mine:
                self.unlock(key)

    @contextmanager
    def holding(self, key: int) -> Iterator[None]:
        """Hold a session lock, waiting for it; StoppedError once dbt cancels the node."""
        while True:
            with self.trying(key) as mine:
                if mine:
                    yield
                    return
            if self.connection.stopped.wait(POLL_SECONDS):
                raise StoppedError("samespace: stopped while waiting for another run. Nothing was changed.")
