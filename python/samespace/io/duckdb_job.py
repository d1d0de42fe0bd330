"""What the embedding materialization runs on DuckDB: read the job, fill the cache, hand the outcome back."""

from __future__ import annotations

import json
import threading
import traceback
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
    stopped = threading.Event()
    try:
        with _interrupt_sets(connection, stopped):
            job = read_job(fields)
            filled = fill(
                job, store, lambda spec, prove=None: verified_encoder(spec, store, log, prove), log, stopped
            )
        store.write_outcome([_row(done) for done in filled])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception, and would hang dbt
        debug(f"the fill of {fields['title']} failed:\n{traceback.format_exc()}")
        message = sentence(error, fields["title"], stopped)
        if stopped.is_set():
            # dbt shows no message of a node that it cancelled.
            log(message)
        store.write_outcome([_failure(message)])


def sentence(error: BaseException, title: str, stopped: threading.Event) -> str:
    """What the person running dbt reads; the traceback goes to the debug log."""
    if isinstance(error, SamespaceError):
        return str(error)
    if stopped.is_set():
        return (
            f"samespace: {title}: stopped. The table is as it was, the vectors made so far are kept, and the "
            "next run goes on from there."
        )
    said = " ".join(str(error).split())
    return f"samespace: {title}: {type(error).__name__}: {said}. dbt's debug log has the details."


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
    return logger.info  # type: ignore[no-any-return]


def debug(message: str) -> None:
    """A line for dbt's debug log."""
    from dbt.adapters.events.logging import AdapterLogger

    AdapterLogger("samespace").debug(message)


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


def _row(done: Filled) -> list[Any]:
    return [
        done.model_id, None, done.cache, done.distinct_texts, done.embedded, done.tokens, done.seconds,
        done.engine, done.precision,
    ]  # fmt: skip


def _failure(message: str) -> list[Any]:
    return [None, message, None, None, None, None, None, None, None]
