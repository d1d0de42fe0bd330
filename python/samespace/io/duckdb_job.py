"""What the embedding materialization runs on DuckDB: read the job, fill the cache, hand the outcome back."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from samespace.canaries import verified_encoder
from samespace.errors import SamespaceError
from samespace.io.duckdb import DuckDBStore
from samespace.pump import Filled, Job, fill
from samespace.spec import ModelSpec


def run(connection: Any, request: str) -> None:
    """Fill the cache for one embedding relation. Errors become a row of ``__samespace_outcome``.

    dbt prints a full traceback for whatever a Python job raises; Jinja reads the row instead and raises
    its sentence.
    """
    fields = json.loads(request)
    store = DuckDBStore(connection, fields["catalog"], fields["schema"])
    log = dbt_log()
    try:
        with _interrupt_sets(connection) as stopped:
            job = read_job(fields)
            filled = fill(
                job, store, lambda spec, prove=None: verified_encoder(spec, store, log, prove), log, stopped
            )
        store.write_outcome([_row(done) for done in filled])
    except SamespaceError as error:
        store.write_outcome([_failure(str(error))])
    except Exception as error:
        logging.getLogger("samespace").debug("fill failed", exc_info=True)
        store.write_outcome([_failure(f"samespace: {type(error).__name__}: {error}")])


def read_job(fields: dict[str, Any]) -> Job:
    """The job as the materialization renders it."""
    return Job(
        specs=[ModelSpec.from_dict(spec) for spec in fields["specs"]],
        role=fields["role"],
        stage=fields["stage"],
        key=fields["key"],
        text=fields["text"],
        title=fields["title"],
        target=fields["target"],
        cache=fields["cache"],
        page_rows=fields["page_rows"],
    )


def dbt_log() -> Callable[[str], None]:
    """dbt's own logger: honours -q, --log-level and JSON logs, where tqdm and print corrupt them."""
    from dbt.adapters.events.logging import AdapterLogger

    logger = AdapterLogger("samespace")
    return lambda message: logger.info(message)


class _interrupt_sets:
    """dbt cancels a DuckDB node by interrupting its cursor, a no-op between queries: turn it into an Event."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.stopped = threading.Event()

    def __enter__(self) -> threading.Event:
        interrupt = self.connection.interrupt

        def stop() -> None:
            self.stopped.set()
            interrupt()

        self.connection.interrupt = stop
        return self.stopped

    def __exit__(self, *_: object) -> None:
        del self.connection.interrupt


def _row(done: Filled) -> list[Any]:
    return [
        done.model_id, None, done.cache, done.distinct_texts, done.embedded, done.tokens, done.seconds,
        done.engine, done.precision,
    ]  # fmt: skip


def _failure(message: str) -> list[Any]:
    return [None, message, None, None, None, None, None, None, None]
