"""What a Python job may do with dbt's connection: lose it, get another, hear that dbt cancels the node."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from adapter.sessions import manager, value
from databases import create_database, execute
from dbt.adapters.contracts.connection import Connection, Identifier
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.pgvector import python_job
from dbt.adapters.pgvector.python_job import JobConnection
from dbt_common.exceptions import DbtDatabaseError

BACKEND = "select pg_backend_pid()"


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    made = create_database("sessions")
    execute(made, "create extension vector schema public")
    execute(made, "create role builder")
    return made


@pytest.fixture(params=[False, True], ids=["transactions", "autocommit"])
def connections(request: pytest.FixtureRequest, output: dict[str, Any]) -> Iterator[Any]:
    with manager(output, role="builder", autocommit=request.param) as made:
        yield made


def kill(output: dict[str, Any], pid: int) -> None:
    execute(output, "select pg_terminate_backend(?)", [pid])


def test_a_role_outlives_a_rollback(connections: Any) -> None:
    assert value(connections, "select current_user::text") == "builder"
    connections.get_thread_connection().handle.rollback()
    assert value(connections, "select current_user::text") == "builder"


def test_a_lost_session_is_replaced(connections: Any, output: dict[str, Any]) -> None:
    connection = connections.get_thread_connection()
    with connections.job() as job:
        lost, was_open = value(connections, BACKEND), connection.transaction_open
        kill(output, lost)
        with pytest.raises(psycopg2.Error):
            job.handle.cursor().execute("select 1")
        job.reconnect()
        assert job.handle is connection.handle
        assert connection.state == "open"
        assert connection.transaction_open == was_open
        assert value(connections, BACKEND) != lost
        session = value(connections, "select current_user || ' ' || current_setting('search_path')")
        assert session == "builder main, public"
    # dbt goes on as if nothing had happened.
    connections.commit()
    assert value(connections, "select 1") == 1
    connections.commit()


def test_a_second_session_is_closed(connections: Any, output: dict[str, Any]) -> None:
    with connections.job() as job, job.second() as other:
        assert other.autocommit
        cursor = other.cursor()
        cursor.execute("select pg_backend_pid(), current_user::text")
        pid, role = cursor.fetchone()
        assert role == "builder"
        assert pid != value(connections, BACKEND)
    assert other.closed
    deadline = time.monotonic() + 10
    while execute(output, "select 1 from pg_stat_activity where pid = ?", [pid]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_cancelling_is_heard_before_the_session_ends(connections: Any) -> None:
    """dbt cancels from its main thread, whatever the job's thread is doing."""
    begun, outcome = threading.Event(), []

    def work() -> None:
        connections.set_connection_name("model.test.embeddings")
        with connections.job() as job:
            cursor = job.handle.cursor()
            begun.set()
            try:
                cursor.execute("select pg_sleep(60)")
            except psycopg2.Error:
                outcome.append(job.stopped.is_set())
            with pytest.raises(psycopg2.OperationalError, match="cancelled"):
                job.reconnect()
            outcome.append(job.handle)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(30)
    time.sleep(0.3)
    connections.cancel_open()
    thread.join(30)
    assert outcome == [True, None]


def test_a_cancelled_job_without_a_session(connections: Any) -> None:
    with connections.job() as job:
        assert not job.stopped.is_set()
        connections.cancel_open()
        assert job.stopped.is_set()
    with connections.job() as job:
        assert not job.stopped.is_set()


class Absent:
    """A manager whose server is away for some attempts."""

    def __init__(self, attempts: int, error: type[Exception] = psycopg2.OperationalError) -> None:
        self.attempts, self.error, self.lock = attempts, error, threading.Lock()
        self.opened = 0

    def open(self, connection: Connection) -> None:
        self.opened += 1
        if self.opened <= self.attempts:
            try:
                raise self.error("the database system is starting up")
            except self.error:
                raise FailedToConnectError("the database system is starting up")  # noqa: B904
        connection.handle, connection.state = SimpleNamespace(close=lambda: None), "open"


def away(attempts: int, patience: float = 60, **options: Any) -> tuple[Absent, JobConnection]:
    absent = Absent(attempts, **options)
    connection = Connection(Identifier("pgvector"), "orders", SimpleNamespace())
    return absent, JobConnection(absent, connection, patience)


def test_a_restarting_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_job, "FIRST_WAIT", 0.01)
    absent, job = away(4)
    job.reconnect()
    assert absent.opened == 5
    assert job.handle is not None


def test_patience_ends() -> None:
    absent, job = away(10**6, patience=0.4)
    with pytest.raises(psycopg2.OperationalError, match="starting up"):
        job.reconnect()
    assert absent.opened == 2


def test_other_errors_are_not_waited_for() -> None:
    absent, job = away(1, error=psycopg2.ProgrammingError)
    with pytest.raises(psycopg2.ProgrammingError):
        job.reconnect()
    assert absent.opened == 1


def test_waiting_ends_when_dbt_cancels() -> None:
    absent, job = away(10**6)
    threading.Timer(0.3, job.stopped.set).start()
    start = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="cancelled"):
        job.reconnect()
    assert time.monotonic() - start < 30
    assert absent.opened < 5


def test_a_session_that_opened_while_dbt_cancelled_is_given_up() -> None:
    absent, job = away(0)
    opening = absent.open
    absent.open = lambda connection: (opening(connection), job.stopped.set())  # type: ignore[method-assign]
    with pytest.raises(psycopg2.OperationalError, match="cancelled"):
        job.reconnect()
    assert job.handle is None


SENTENCES = [
    "samespace.search: 'tickets' holds minilm@3f9a2c1b; the query vector is mpnet@77aa01ce.",
    'samespace.search: "a" and "b"\n  are different spaces. Re-embed one side of "b"',
    "samespace: ends with a quotation mark \"",
]


@pytest.mark.parametrize("said", SENTENCES)
def test_our_sentences_are_shown_bare(connections: Any, said: str) -> None:
    literal = said.replace("'", "''")
    sql = f"select cast('{literal}' || left(clock_timestamp()::text, 0) as boolean)"
    with pytest.raises(DbtDatabaseError) as raised:
        connections.add_query(sql)
    assert raised.value.msg == said
    connections.add_query("select 1")


@pytest.mark.parametrize("sql", ["select 'samespaces'::boolean", "select 'x'::boolean", "selec"])
def test_other_errors_stay(connections: Any, sql: str) -> None:
    with pytest.raises(DbtDatabaseError, match=r"invalid input syntax for type boolean|syntax error"):
        connections.add_query(sql)
