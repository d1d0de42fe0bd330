"""What a Python job gets of dbt: the session of its thread, and a new one when that is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from dbt.adapters.contracts.connection import Connection, ConnectionState, Identifier
from dbt.adapters.exceptions import FailedToConnectError

# A managed server that is restarted for an upgrade is back within a minute; more than two is an outage.
PATIENCE = 120.0
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


class JobConnection:
    """dbt's own connection, as a job of samespace uses it.

    ``stopped`` is set when dbt cancels the node (Ctrl-C, ``--fail-fast``).
    """

    def __init__(self, manager: Any, connection: Connection, patience: float = PATIENCE) -> None:
        self.stopped = threading.Event()
        self._manager, self._connection, self._patience = manager, connection, patience

    @property
    def handle(self) -> Any:
        """The psycopg2 connection; another one after ``reconnect``."""
        return self._connection.handle

    def reconnect(self) -> None:
        """Replace the lost session by a new one, and wait for a server that is restarting.

        Raises psycopg2's error when the server is not back in time, or when dbt has cancelled the node.
        """
        deadline, wait = time.monotonic() + self._patience, FIRST_WAIT
        self._leave()
        while True:
            self._refuse_when_stopped()
            try:
                self._enter()
                break
            except psycopg2.OperationalError:
                if time.monotonic() + wait > deadline:
                    raise
            self.stopped.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        if self.stopped.is_set():
            # dbt looked for sessions to end while this one was being opened.
            self._leave()
            self._refuse_when_stopped()

    @contextmanager
    def second(self) -> Iterator[Any]:
        """Another session with the same credentials, in autocommit; closed at the end."""
        name = f"{self._connection.name}, second session"
        other = Connection(Identifier(self._connection.type), name, self._connection.credentials)
        _open(self._manager, other)
        try:
            other.handle.autocommit = True
            yield other.handle
        finally:
            self._manager.close(other)

    def _enter(self) -> None:
        _open(self._manager, self._connection)

    def _leave(self) -> None:
        # dbt's transaction_open says whether dbt may ask for a commit, not what the server does: it stays.
        # The lock is the one under which dbt asks every open connection for its backend to cancel it.
        with self._manager.lock:
            handle, self._connection.handle = self._connection.handle, None
            self._connection.state = ConnectionState.INIT
        if handle is not None:
            with suppress(psycopg2.Error):
                handle.close()

    def _refuse_when_stopped(self) -> None:
        if self.stopped.is_set():
            raise psycopg2.OperationalError("no new session: dbt has cancelled this node")


def _open(manager: Any, connection: Connection) -> None:
    """Open by the manager's own rules (role, search_path, TLS ...), but raise what the driver raised."""
    try:
        manager.open(connection)
    except FailedToConnectError as error:
        if isinstance(error.__context__, psycopg2.Error):
            raise error.__context__ from None
        raise
