"""What the adapter runs on PostgreSQL: fill a cache, the vector of a query text, a kernel."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from samespace.canaries import verified_encoder
from samespace.errors import SamespaceError
from samespace.io._jobs import (
    dbt_log,
    debug,
    encoding_sentence,
    failure_row,
    outcome_row,
    read_job,
    sentence,
    text_vectors,
    without_vector,
)
from samespace.io._schema import cache_table
from samespace.io.postgres import JobConnection, PostgresStore
from samespace.pump import fill
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    from samespace.encoders.base import Encoder


def fill_cache(connection: JobConnection, request: str) -> dict[str, Any]:
    """Fill the cache for one embedding relation; the outcome is in the temp table ``__samespace_outcome``.

    Answers {'error': None}, or the sentence where there is no connection left to write an outcome to.
    """
    fields = json.loads(request)
    title, store = fields["title"], _store(connection, fields)
    try:
        with store.session.committing():
            store.refuse_pooler()
            log = dbt_log()
            gate = partial(_gate, store, log)
            filled = fill(read_job(fields), store, gate, log, connection.stopped)
            store.write_outcome([outcome_row(done) for done in filled])
        return {"error": None}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception, and would hang dbt
        debug(f"the fill of {title} failed:\n{traceback.format_exc()}")
        if is_lost(connection, error) and not connection.stopped.is_set():
            return _go_on(connection, fields, store, error)
        if connection.stopped.is_set():
            return _stopped(connection, title, error)
        message = sentence(error, title, connection.stopped)
        return _hand_back(store, [failure_row(message)], message)


def _stopped(connection: JobConnection, title: str, error: BaseException) -> dict[str, Any]:
    """dbt has ended the session and shows no message of a node that it cancelled: say it in the log."""
    message = sentence(error, title, connection.stopped)
    dbt_log()(message)
    return {"error": message}


def _gate(
    store: PostgresStore,
    log: Callable[[str], None],
    spec: ModelSpec,
    prove: Callable[[Encoder], None] | None = None,
) -> Encoder:
    return verified_encoder(spec, store, log, prove)


def is_lost(connection: JobConnection, error: BaseException) -> bool:
    """Whether this is what the driver raises when its connection is gone."""
    import psycopg2

    # A COPY that is cut off raises a plain DatabaseError, out of disk an OperationalError: ask the server.
    if not isinstance(error, psycopg2.Error):
        return False
    try:
        with connection.handle.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error as refused:
        gone = psycopg2.OperationalError | psycopg2.InterfaceError
        return isinstance(refused, gone) or bool(connection.handle.closed)
    return False


def _go_on(
    connection: JobConnection, fields: dict[str, Any], lost: PostgresStore, error: BaseException
) -> dict[str, Any]:
    """A new session, and an outcome that asks for another fill: temp tables are gone, vectors are not."""
    title, reason = fields["title"], " ".join(str(error).split())
    kept = sum(lost.written.values())
    dbt_log()(
        f"{title}: the connection to the database was lost ({reason}). {kept:,} new vectors are kept; "
        "connecting again and going on from there."
    )
    try:
        connection.reconnect()
    except Exception as refused:  # noqa: BLE001  # whatever it is, there is nobody left to tell but the adapter
        debug(f"no new connection for {title}:\n{traceback.format_exc()}")
        said = " ".join(str(refused).split())
        if connection.stopped.is_set():
            return _stopped(connection, title, refused)
        return {
            "error": f"samespace: {title}: the connection to the database was lost ({reason}) and there is "
            f"no new one: {said}. The table is as it was, the vectors made so far are kept. Run again."
        }
    store = _store(connection, fields)
    rows = [_again_row(spec, lost) for spec in read_job(fields).specs]
    with store.session.committing():
        _end_session(store, lost)
    return _hand_back(store, rows, f"samespace: {title}: the connection to the database was lost: {reason}")


def _again_row(spec: ModelSpec, lost: PostgresStore) -> list[Any]:
    """`embedded` counts what the lost session kept."""
    embedded = lost.written.get(lost.table(cache_table(spec.digest)), 0)
    return [spec.model_id, None, None, None, embedded, None, None, None, None, True, None]


def _end_session(store: PostgresStore, lost: PostgresStore) -> None:
    """Where only the network failed, the server may hold the old session, and its lock, for hours."""
    facts = lost.session.__dict__.get("facts")
    if facts is not None:
        with suppress(SamespaceError):
            store.session.run(
                "select pg_terminate_backend(a.pid) from pg_stat_activity as a where a.pid = ? "
                "and a.backend_start = ? and a.pid <> pg_backend_pid()",
                [facts.pid, facts.since],
            )


def _hand_back(store: PostgresStore, rows: list[list[Any]], message: str) -> dict[str, Any]:
    try:
        with store.session.committing():
            store.write_outcome(rows)
    except Exception:  # noqa: BLE001  # without a connection the answer is the only way
        debug(f"the outcome could not be written:\n{traceback.format_exc()}")
        return {"error": message}
    return {"error": None}


def query_vector(connection: JobConnection, request: str) -> dict[str, Any]:
    """The vector of a query text, from the cache or from the verified encoder, which fills the cache.

    Answers {'vector': '[...]', 'error': None} with the shortest digits that read back as the same float32, or
    {'vector': None, 'error': sentence}.
    """
    try:
        fields = json.loads(request)
        spec, text = ModelSpec.from_dict(fields["spec"]), fields["text"]
        store = _store(connection, fields)
    except (KeyError, TypeError, ValueError) as error:
        return _refused(f"samespace: the request of the dbt package cannot be read: {error}")
    try:
        # What the model's own transaction has written stays for it to commit.
        with store.session.committing(keep_transaction=True):
            vector = text_vectors(store, spec, [text], "query")[text]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception
        debug(f"encoding with {spec.model_id} failed:\n{traceback.format_exc()}")
        return _refused(encoding_sentence(error, spec))
    if vector is None:
        return _refused(without_vector(text))
    return {"vector": f"[{','.join(map(str, vector))}]", "error": None}


def _refused(message: str) -> dict[str, Any]:
    return {"vector": None, "error": message}


def run_kernel(connection: JobConnection, request: str) -> dict[str, Any]:
    """What a kernel found, in a temp table; see samespace.io.postgres_kernels."""
    from samespace.io import postgres_kernels

    return postgres_kernels.run(connection, request)


def _store(connection: JobConnection, fields: dict[str, Any]) -> PostgresStore:
    return PostgresStore(connection, fields["schema"], fields.get("grants"))


JOBS: dict[str, Callable[[JobConnection, str], dict[str, Any]]] = {
    "fill": fill_cache,
    "query_vector": query_vector,
    "kernel": run_kernel,
}
