"""What the embedding materialization runs on DuckDB: read the job, fill the cache, hand the outcome back."""

from __future__ import annotations

import json
import threading
import traceback
from typing import Any

from samespace.canaries import verified_encoder
from samespace.io._jobs import dbt_log, debug, failure_row, outcome_row, read_job, sentence
from samespace.io.duckdb import DuckDBStore
from samespace.pump import fill


def run(connection: Any, request: str) -> None:
    """Fill the cache for one embedding relation. Errors become a row of ``__samespace_outcome``.

    dbt prints a full traceback for whatever a Python job raises; Jinja reads the row instead and raises
    its sentence.
    """
    fields = json.loads(request)
    store = DuckDBStore(connection, fields["catalog"], fields["schema"])
    log = dbt_log()
    stopped = threading.Event()
    try:
        with _interrupt_sets(connection, stopped):
            job = read_job(fields)
            filled = fill(
                job, store, lambda spec, prove=None: verified_encoder(spec, store, log, prove), log, stopped
            )
        store.write_outcome([outcome_row(done) for done in filled])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception, and would hang dbt
        debug(f"the fill of {fields['title']} failed:\n{traceback.format_exc()}")
        message = sentence(error, fields["title"], stopped)
        if stopped.is_set():
            # dbt shows no message of a node that it cancelled.
            log(message)
        store.write_outcome([failure_row(message)])


class _interrupt_sets:
    """dbt cancels a node by interrupting its cursor, which does nothing between queries: set an Event too."""

    def __init__(self, connection: Any, stopped: threading.Event) -> None:
        self.connection, self.stopped = connection, stopped

    def __enter__(self) -> None:
        interrupt = self.connection.interrupt

        def stop() -> None:
            self.stopped.set()
            interrupt()

        self.connection.interrupt = stop

    def __exit__(self, *_: object) -> None:
        del self.connection.interrupt
