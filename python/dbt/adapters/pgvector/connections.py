"""Connections to PostgreSQL with pgvector: dbt-postgres' own, under another type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.pgvector import extension
from dbt.adapters.pgvector.python_job import JobConnection
from dbt.adapters.postgres import PostgresConnectionManager, PostgresCredentials
from dbt_common.exceptions import DbtDatabaseError

INVALID_TEXT = "22P02"


@dataclass
class PgvectorCredentials(PostgresCredentials):
    """The same profile fields as dbt-postgres."""

    @property
    def type(self) -> str:
        return "pgvector"


class PgvectorConnectionManager(PostgresConnectionManager):
    TYPE = "pgvector"

    def __init__(self, profile: Any, mp_context: Any) -> None:
        super().__init__(profile, mp_context)
        self._jobs: set[JobConnection] = set()

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """A session as dbt-postgres opens it, on a database whose extension ``vector`` is usable."""
        opened = super().open(connection)
        try:
            # dbt-postgres leaves SET ROLE in an open transaction: the first rollback would end the role.
            opened.handle.commit()
            extension.ensure(opened.handle, cls.get_credentials(opened.credentials))
        except Exception:
            opened.handle.close()
            opened.handle, opened.state = None, ConnectionState.FAIL
            raise
        return opened

    @contextmanager
    def exception_handler(self, sql: str) -> Iterator[None]:
        try:
            with super().exception_handler(sql):
                yield
        except DbtDatabaseError as error:
            raised = sentence(error.__cause__)
            if raised is None:
                raise
            raise DbtDatabaseError(raised) from error.__cause__

    @contextmanager
    def job(self) -> Iterator[JobConnection]:
        """This thread's connection for a Python job, which hears when dbt cancels the node."""
        job = JobConnection(self, self.get_thread_connection())
        with self.lock:
            self._jobs.add(job)
        try:
            yield job
        finally:
            with self.lock:
                self._jobs.discard(job)

    def cancel_open(self) -> list[str]:
        # First the word, then the sessions: a job that loses its session must know that it may not open
        # another, and a job between two sessions has none that could be ended.
        with self.lock:
            for job in self._jobs:
                job.stopped.set()
        cancelled: list[str] = super().cancel_open()
        return cancelled

    def cancel(self, connection: Connection) -> None:
        try:
            super().cancel(connection)
        except DbtDatabaseError:
            # The role of a profile may not end the sessions of its login, but its query may be cancelled.
            with suppress(psycopg2.Error):
                connection.handle.cancel()


def sentence(error: BaseException | None) -> str | None:
    """What our SQL said when it stopped a query, or None for another error.

    SQL has no RAISE: the sentence is cast to boolean, and the server quotes it as an invalid one.
    """
    if not isinstance(error, psycopg2.Error) or error.pgcode != INVALID_TEXT:
        return None
    # The words around it are in the server's language, and so are the quotation marks.
    said = error.diag.message_primary or ""
    start = min((at for at in map(said.find, ("samespace.", "samespace:")) if at > 0), default=0)
    return said[start:].rstrip()[:-1].rstrip() if start else None
