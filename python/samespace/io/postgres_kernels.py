"""The kernels on PostgreSQL: a job that reads rows on dbt's own connection and leaves a temp table.

While the model renders, the rows are read in one read-only snapshot, and what the kernel found is written to
a temp table of the session, from which the model's SQL selects. That SQL stops where it sees other rows than
``state`` describes, whose numbers would name other keys. Why: docs/decisions/0006-kernel-carrier-postgres.md.
"""

from __future__ import annotations

import json
import traceback
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from samespace.errors import KernelError
from samespace.io._copy import HEADER, TRAILER, Pieces
from samespace.io._kernel_jobs import RESULTS, Log, failure, run_request, who
from samespace.io._postgres_rows import PostgresReader
from samespace.io._rows import literal
from samespace.pump import fill_lock

if TYPE_CHECKING:
    import pyarrow as pa

    from samespace.io.postgres import JobConnection

PREFIX = "__samespace_kernel_"
# How many rows of a result are turned into bytes at once.
PIECE = 65_536
# Of a temp table: to whom it belongs is its comment.
_EARLIER = """
    select quote_ident(c.relname) from pg_class as c
    where c.relnamespace = pg_my_temp_schema() and c.relkind = 'r' and starts_with(c.relname, '{prefix}')
        and obj_description(c.oid, 'pg_class') is distinct from {owner}"""
# The kernel computes between reads: no timeout of an idle transaction may end the session meanwhile.
_SNAPSHOT = (
    "set transaction isolation level repeatable read, read only;"
    " set local idle_in_transaction_session_timeout = 0"
)


def run(connection: JobConnection, text: str) -> dict[str, Any]:
    """Run one request (JSON: that of run_kernel.sql, with ``kernel`` and ``owner``, the model that asks).

    Returns {table, state, error}: the temp table, what macros/primitives/rows_state.sql says of the rows that
    were read, and the sentence to stop with. Leaves nothing to commit or roll back, and raises nothing.
    """
    from samespace.io._jobs import dbt_log, debug

    fields: dict[str, Any] = json.loads(text)
    kernel = fields["kernel"]
    try:
        table, state = run_kernel(kernel, fields, connection.handle, dbt_log())
        return {"table": table, "state": state, "error": None}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception
        if not isinstance(error, KernelError):
            debug(f"the kernel {kernel} failed:\n{traceback.format_exc()}")
        return {
            "table": None,
            "state": None,
            "error": _sentence(kernel, fields, error, connection.stopped.is_set()),
        }


def run_kernel(kernel: str, fields: dict[str, Any], handle: Any, log: Log) -> tuple[str, str]:
    """Run one request on a psycopg2 connection: the qualified temp table and the state of the rows.

    Commits what is open there first. Raises KernelError, its text starting with the macro and the relation.
    """
    # With autocommit, dbt sent BEGIN itself and relies on it for the swap of the table that follows.
    again = handle.autocommit and _is_open(handle)
    _end(handle, "commit")
    try:
        # Matrix products of two dbt threads at once share one pool of BLAS threads and stall each other.
        with fill_lock, handle.cursor() as cursor:
            _begin(cursor)
            cursor.execute(_SNAPSHOT)
            cursor.execute(f"select {fields.get('state', 'null')}")
            state = cursor.fetchone()[0]
            found = run_request(kernel, fields, PostgresReader(cursor), log)
        _end(handle, "commit")
        table = _keep(handle, kernel, fields, found)
    finally:
        with suppress(Exception):
            _end(handle, "rollback")
            if again:
                _begin(handle.cursor())
    return table, state or ""


def _begin(cursor: Any) -> None:
    # Without autocommit, psycopg2 sends BEGIN itself, before the first statement.
    if cursor.connection.autocommit:
        cursor.execute("begin")


def _is_open(handle: Any) -> bool:
    from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

    return bool(handle.info.transaction_status == TRANSACTION_STATUS_INTRANS)


def _end(handle: Any, how: str) -> None:
    """Commit or roll back what is open, if anything is."""
    from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE

    if handle.info.transaction_status != TRANSACTION_STATUS_IDLE and handle.autocommit:
        # psycopg2 knows nothing of a transaction that somebody's BEGIN opened.
        with handle.cursor() as cursor:
            cursor.execute(how)
    elif handle.status == STATUS_BEGIN:
        getattr(handle, how)()


def _keep(handle: Any, kernel: str, fields: dict[str, Any], found: pa.Table) -> str:
    """The result as a committed temp table of this session. Raises KernelError where the role may not."""
    from psycopg2.errors import InsufficientPrivilege

    try:
        with handle.cursor() as cursor:
            _begin(cursor)
            table = _write(cursor, kernel, fields.get("owner", ""), found)
        _end(handle, "commit")
    except InsufficientPrivilege as error:
        _end(handle, "rollback")
        with handle.cursor() as cursor:
            cursor.execute("select quote_ident(current_database()), quote_ident(current_user)")
            database, role = cursor.fetchone()
        raise KernelError(
            f"{who(kernel, fields)}: a kernel leaves its result in a temporary table, and the role {role} "
            f"may create none. Have its owner run: grant temporary on database {database} to {role}"
        ) from error
    return table


def _write(cursor: Any, kernel: str, owner: str, found: pa.Table) -> str:
    """The result as a temp table of this session; those that earlier models left are dropped."""
    cursor.execute(_EARLIER.format(prefix=PREFIX, owner=literal(owner)))
    for (earlier,) in cursor.fetchall():
        cursor.execute(f"drop table pg_temp.{earlier}")
    # No other session may have a table of this name: a pooler could hand us its session.
    table = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    columns = RESULTS[kernel].lower().replace("double", "double precision")
    cursor.execute(f"create temporary table {table} ({columns})")
    cursor.copy_expert(f"copy pg_temp.{table} from stdin (format binary)", Pieces(_encoded(found)))
    # Nobody else analyzes a temp table: https://www.postgresql.org/docs/current/sql-analyze.html
    cursor.execute(f"analyze pg_temp.{table}; comment on table pg_temp.{table} is {literal(owner)}")
    return f"pg_temp.{table}"


def _encoded(table: pa.Table) -> Iterator[bytes]:
    """A table of numbers without NULLs as COPY BINARY, a few MB at a time."""
    import numpy as np

    kinds = [(field.name, np.dtype(field.type.to_pandas_dtype())) for field in table.schema]
    layout = [("fields", ">i2")]
    for name, kind in kinds:
        layout += [(f"size of {name}", ">i4"), (name, kind.newbyteorder(">").str)]
    yield HEADER
    for batch in table.to_batches(max_chunksize=PIECE):
        rows = np.empty(batch.num_rows, dtype=layout)
        rows["fields"] = len(kinds)
        for name, kind in kinds:
            rows[f"size of {name}"], rows[name] = kind.itemsize, batch.column(name).to_numpy()
        if batch.num_rows:
            yield rows.tobytes()
    yield TRAILER


def _sentence(kernel: str, fields: dict[str, Any], error: BaseException, stopped: bool) -> str:
    from psycopg2 import Error

    if isinstance(error, KernelError):
        return str(error)
    if stopped:
        return f"{who(kernel, fields)}: stopped. Nothing was written."
    # The driver's text also quotes the query.
    text = error.diag.message_primary if isinstance(error, Error) else None
    return failure(kernel, fields, error, text)
