"""The kernels as DuckDB functions, ``samespace_<kernel>(request)``.

Each returns ``STRUCT(found STRUCT(...)[], error VARCHAR, state VARCHAR)``: an exception raised here would
reach the person running dbt with a traceback, so the sentence travels as a value, and SQL stops with it.
It stops too where it sees other rows than ``state`` describes, whose numbers would name other keys.

The rows are read through a cursor of its own, which sees what is committed: handing vectors over as an
argument would hold them several times and costs four times the time.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from samespace.errors import KernelError
from samespace.io._duckdb_rows import DuckDBReader
from samespace.io._kernel_jobs import RESULTS, Log, failure, result_schema, run_request
from samespace.io._kernel_jobs import RUN as _RUN
from samespace.pump import fill_lock

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


def run_kernel(kernel: str, text: str, connection: Any, log: Log) -> pa.Table:
    """Run one request (JSON) against the database of ``connection``; the kernel's schema, all spaces.
    Its metadata `state` is what macros/primitives/rows_state.sql says of the rows that were read.

    Raises KernelError, its text starting with the macro and the relation that the request names.
    """
    fields, cursor = json.loads(text), connection.cursor()
    try:
        # Matrix products of two dbt threads at once share one pool of BLAS threads and stall each other.
        with fill_lock:
            cursor.begin()
            state = cursor.execute(f"select {fields.get('state', 'null')}").fetchone()[0]
            found = run_request(kernel, fields, DuckDBReader(cursor), log)
    finally:
        cursor.close()
    return found.replace_schema_metadata({"state": state or ""})


def _log(message: str) -> None:
    from samespace.io._jobs import dbt_log

    dbt_log()(message)


def _register(kernel: str, connection: DuckDBPyConnection) -> None:
    """Create ``samespace_<kernel>`` on a connection."""
    # A lambda, because DuckDB evaluates annotations. "side_effects" keeps EXPLAIN from running it.
    connection.create_function(
        f"samespace_{kernel}",
        lambda requests: _answer(kernel, connection, requests),
        ["VARCHAR"],
        f"STRUCT(found STRUCT({RESULTS[kernel]})[], error VARCHAR, state VARCHAR)",
        type="arrow",
        side_effects=True,
    )  # type: ignore[call-overload]


def _answer(kernel: str, connection: Any, requests: pa.ChunkedArray) -> pa.Array:
    """Per request a list of structs, or the sentence to stop with."""
    import pyarrow as pa

    nothing = result_schema(kernel).empty_table()
    answers = [_table_or_error(kernel, text.as_py(), connection) for text in requests]
    tables = [nothing if table is None else table for table, _ in answers]
    rows = pa.concat_tables([nothing, *tables]).combine_chunks()
    offsets = [0]
    for table in tables:
        offsets.append(offsets[-1] + table.num_rows)
    columns = [pa.concat_arrays(column.chunks) for column in rows.columns]
    structs = pa.StructArray.from_arrays(columns, fields=list(rows.schema))
    found = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)
    errors = pa.array([error for _, error in answers], pa.string())
    states = pa.array([(table.schema.metadata or {}).get(b"state") for table in tables], pa.string())
    return pa.StructArray.from_arrays([found, errors, states], names=["found", "error", "state"])


def _table_or_error(kernel: str, text: str, connection: Any) -> tuple[pa.Table | None, str | None]:
    from samespace.io._jobs import debug

    try:
        return run_kernel(kernel, text, connection, _log), None
    except KernelError as error:
        return None, str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception
        debug(f"the kernel {kernel} failed:\n{traceback.format_exc()}")
        return None, failure(kernel, json.loads(text), error)


FUNCTIONS: dict[str, Callable[[Any], None]] = {f"samespace_{name}": partial(_register, name) for name in _RUN}


def register(connection: Any) -> None:
    """Create every kernel function on a connection."""
    for create in FUNCTIONS.values():
        create(connection)
