"""The jobs of PostgreSQL: lost connections, other processes, stopping, query texts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import databases
import pytest
from harness import REPO
from job_connection import (
    CACHE,
    SPEC,
    Connection,
    Toy,
    cached,
    fill,
    fresh_encoder,
    is_complete,
    request,
    stage,
)  # fmt: skip
from samespace.io import postgres_jobs
from samespace.io.postgres_jobs import JOBS
from samespace.spec import ModelSpec

LOCKS = "select count(*) from pg_locks where locktype = 'advisory'"


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> Toy:
    return fresh_encoder(monkeypatch)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    logged: list[str] = []
    monkeypatch.setattr(postgres_jobs, "dbt_log", lambda: logged.append)
    return logged


def once(after: int, action: Callable[[], Any]) -> Callable[[list[str]], None]:
    """Do something once, when this many texts have been asked for."""
    seen = [0]

    def happens(texts: list[str]) -> None:
        before, seen[0] = seen[0], seen[0] + len(texts)
        if before < after <= seen[0]:
            action()

    return happens


def test_fill_then_nothing_to_do(output: dict[str, Any], connection: Connection, encoder: Toy) -> None:
    stage(connection, 1, 250)
    (row,) = fill(connection)
    assert (row["message"], row["distinct_texts"], row["embedded"], row["again"]) == (None, 250, 250, False)
    assert (row["cache"], row["engine"], row["tokens"]) == (
        '"samespace".' + CACHE.split(".")[1], "toy", sum(map(len, encoder.texts)),
    )  # fmt: skip
    assert is_complete(output, 250)
    (row,) = fill(connection)
    assert (row["embedded"], row["engine"]) == (0, None)
    assert connection.handle.info.transaction_status == 0
    assert connection.handle.autocommit == connection.autocommit
    assert databases.execute(output, LOCKS) == [(0,)]


def test_nothing_is_open_while_a_model_encodes(
    output: dict[str, Any], connection: Connection, encoder: Toy
) -> None:
    states = []

    def look(texts: list[str]) -> None:
        states.extend(databases.execute(
            output, f"select state from pg_stat_activity where pid = {connection.handle.info.backend_pid}"
        ))  # fmt: skip

    encoder.happens = look
    stage(connection, 1, 40)
    fill(connection)
    assert states == [("idle",)] * 3


def test_a_failure_is_an_outcome_and_keeps_pages(output: dict[str, Any], encoder: Toy) -> None:
    connection = Connection(output)

    def fail(texts: list[str]) -> None:
        if "text 40" in texts:
            raise ValueError("no such thing")

    encoder.happens = fail
    stage(connection, 1, 99)
    (row,) = fill(connection)
    assert "toy@aaaaaaaa could not embed the text of notes with id 40" in row["message"]
    assert "ValueError: no such thing" in row["message"]
    assert 0 < len(cached(output)) < 99
    connection.close()


@pytest.mark.parametrize("cache", [True, False])
def test_a_terminated_session_goes_on_in_a_new_one(
    output: dict[str, Any], connection: Connection, encoder: Toy, lines: list[str], cache: bool
) -> None:
    stage(connection, 1, 100)
    first = connection.handle.info.backend_pid
    encoder.happens = once(50, lambda: databases.execute(output, f"select pg_terminate_backend({first})"))
    (row,) = fill(connection, cache=cache)
    assert (row["again"], row["message"], row["embedded"]) == (True, None, 48 if cache else 0)
    assert connection.reconnected == 1
    assert len(lines) == 1
    assert lines[0].startswith("notes: the connection to the database was lost (")
    assert f"). {48 if cache else 0} new vectors are kept" in lines[0]
    # What the materialization does then.
    stage(connection, 1, 100)
    (row,) = fill(connection, cache=cache)
    assert (row["again"], row["message"], row["embedded"]) == (False, None, 52 if cache else 100)
    assert databases.execute(output, LOCKS) == [(0,)]
    if cache:
        assert is_complete(output, 100)
        assert len(encoder.texts) == 100 + 16  # the call whose vectors met no connection


def test_a_session_that_only_we_have_lost_is_ended(output: dict[str, Any], encoder: Toy) -> None:
    """The server has not noticed: its old session would hold the lock against us."""
    connection = Connection(output)
    first = connection.handle
    stage(connection, 1, 100)
    kept: list[int] = []

    def cut() -> None:
        kept.append(os.dup(first.fileno()))
        ours, theirs = socket.socketpair()
        os.dup2(ours.fileno(), first.fileno())
        ours.close()
        theirs.close()

    encoder.happens = once(50, cut)
    (row,) = fill(connection)
    assert row["again"] is True
    stage(connection, 1, 100)
    (row,) = fill(connection)
    assert (row["again"], row["embedded"]) == (False, 52)
    os.close(kept[0])
    connection.close()


def test_no_new_connection_is_the_answer_itself(output: dict[str, Any], encoder: Toy) -> None:
    connection = Connection(output)
    stage(connection, 1, 100)
    pid = connection.handle.info.backend_pid

    def refuse() -> None:
        raise OSError("nobody listens")

    connection.reconnect = refuse
    encoder.happens = once(50, lambda: databases.execute(output, f"select pg_terminate_backend({pid})"))
    answer = JOBS["fill"](connection, request())
    assert "was lost (" in answer["error"] and "there is no new one: nobody listens" in answer["error"]
    assert len(cached(output)) == 48


def test_stopping_never_reconnects(output: dict[str, Any], encoder: Toy, lines: list[str]) -> None:
    connection = Connection(output)
    stage(connection, 1, 100)
    pid = connection.handle.info.backend_pid

    def cancel() -> None:
        connection.stopped.set()
        databases.execute(output, f"select pg_terminate_backend({pid})")

    encoder.happens = once(50, cancel)
    answer = JOBS["fill"](connection, request())
    assert connection.reconnected == 0
    assert "stopped" in answer["error"] and "the vectors made so far are kept" in answer["error"]
    assert lines == [answer["error"]]
    assert len(cached(output)) == 48


def child(output: dict[str, Any], texts: tuple[int, int], seconds: float = 0.0) -> subprocess.Popen[str]:
    """A process that fills from these texts."""
    told = json.dumps({"output": output, "texts": texts, "seconds": seconds})
    path = os.pathsep.join([str(REPO / "python"), str(REPO / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", "import job_connection; job_connection.fill_in_a_process()"],
        text=True, stdout=subprocess.PIPE, env={**os.environ, "FILL": told, "PYTHONPATH": path},
    )  # fmt: skip


def test_processes_with_overlapping_texts_embed_each_once(output: dict[str, Any]) -> None:
    """Both also meet the model for the first time: one registers it."""
    children = [child(output, texts, 0.002) for texts in ((1, 300), (101, 400), (1, 400))]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in children]
    assert all(row["message"] is None for answer in answers for row in answer["rows"])
    encoded = [text for answer in answers for text in answer["encoded"]]
    assert len(encoded) == len(set(encoded)) == 400
    assert is_complete(output, 400)
    assert databases.execute(output, "select count(*) from samespace.embedding_models") == [(1,)]
    waited = [line for answer in answers for line in answer["lines"] if "waiting" in line]
    assert waited
    assert waited[0] == "notes: waiting for another run that fills toy@aaaaaaaa"


def test_a_killed_process_leaves_no_lock(output: dict[str, Any]) -> None:
    process = child(output, (1, 400), 0.01)
    connection = Connection(output)
    while not databases.execute(output, LOCKS)[0][0]:
        assert process.poll() is None
    process.kill()
    process.communicate()
    stage(connection, 1, 400)
    (row,) = fill(connection)
    assert row["message"] is None
    assert is_complete(output, 400)
    connection.close()


def test_waiting_can_be_stopped(output: dict[str, Any], lines: list[str]) -> None:
    holder, connection = Connection(output, autocommit=True), Connection(output)
    store = postgres_jobs._store(holder, {"schema": "samespace"})
    stage(connection, 1, 10)
    with store.filling(ModelSpec.from_dict(SPEC), temporary=False) as mine:
        assert mine
        threading.Timer(0.3, connection.stopped.set).start()
        answer = JOBS["fill"](connection, request())
    assert "stopped" in answer["error"]
    assert lines[0] == "notes: waiting for another run that fills toy@aaaaaaaa"
    connection.close()
    holder.close()
