"""Connection poolers that hand every transaction to another backend: found and refused before any work.

Temp tables, session locks and settings belong to one backend. Behind a pooler in transaction mode
(``pool_mode = transaction`` of PgBouncer, port 6543 of some hosts) they vanish or, worse, meet another
client's. A pooler in session mode is fine.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from samespace.errors import StorageError

if TYPE_CHECKING:
    from samespace.io._session import JobConnection

PROBE_SECONDS = 5.0
SENTENCE = (
    "samespace: this connection goes through a pooler in transaction mode, where temp tables and locks do "
    "not last. Connect to the server itself, or to a pooler in session mode (often another port of the host)."
)


def backend_of(handle: Any) -> int:
    """The backend that answers now."""
    with handle.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return int(cursor.fetchone()[0])


def refuse_transaction_pooler(connection: JobConnection) -> None:
    """Raise StorageError if two sessions can share one backend. The connection is idle, in autocommit."""
    handle = connection.handle
    # A pooler makes up what libpq is told at the start.
    if handle.info.backend_pid != (first := backend_of(handle)) and _shares(connection, first):
        raise StorageError(SENTENCE)


def _shares(connection: JobConnection, first: int) -> bool:
    """Whether a transaction of another session runs on our backend, or moves us to another one.

    In a thread: a pooler in session mode with no backend to spare lets the second session wait, which says
    that ours is not for everybody.
    """
    theirs: list[int] = []
    answered, compared = threading.Event(), threading.Event()

    def probe() -> None:
        try:
            with connection.second() as other:
                with other.cursor() as cursor:
                    cursor.execute("begin")
                theirs.append(backend_of(other))
                answered.set()
                # Its transaction stays open meanwhile, so that it keeps the backend it was given.
                compared.wait()
        except Exception:  # noqa: BLE001  # no session to be had: every page compares its backend as well
            answered.set()

    thread = threading.Thread(target=probe, name="samespace-pooler-probe", daemon=True)
    thread.start()
    answered.wait(PROBE_SECONDS)
    try:
        return bool(theirs) and (theirs[0] == first or backend_of(connection.handle) != first)
    finally:
        compared.set()
        thread.join(PROBE_SECONDS if theirs else 0)
