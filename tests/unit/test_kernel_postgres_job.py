"""A kernel's job on PostgreSQL, without dbt: what it leaves behind, what it says, its memory."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import databases
import psycopg2
import pytest
from harness import REPO
from kernel_requests import database, fields, found, points, session_of
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS
from samespace.errors import KernelError
from samespace.io import _kernel_jobs, postgres_kernels
from samespace.io._kernel_jobs import RESULTS


@pytest.fixture(scope="module")
def output() -> dict[str, Any]:
    return database("kernels")


@pytest.fixture(scope="module")
def session(output: dict[str, Any]) -> Iterator[Any]:
    with session_of(output) as connection:
        yield connection


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("before", ["select 1", "create table mine as select 1 as a", "select 1 / 0"])
def test_no_transaction_is_left_open(output: dict[str, Any], autocommit: bool, before: str) -> None:
    """Only dbt's own BEGIN, which it sends with autocommit, is there again: it relies on it for the swap."""
    with databases.connected(output) as connection:
        points(connection, [[1.0, 2.0, 3.0]] * 3)
        connection.autocommit = autocommit
        cursor = connection.cursor()
        with suppress(psycopg2.errors.DivisionByZero):
            cursor.execute(("begin; " if autocommit else "") + before)
        again = TRANSACTION_STATUS_INTRANS if autocommit and "0" not in before else TRANSACTION_STATUS_IDLE
        for threshold in (0.5, {"n@1": 0.5}, 0.5):
            with suppress(KernelError):
                asked = fields("within_threshold", threshold=threshold)
                postgres_kernels.run_kernel("within_threshold", asked, connection, lambda _: None)
            assert connection.info.transaction_status == again
        cursor.execute("create table after (a integer)")
        cursor.execute("rollback")
        if "mine" in before:
            # What the model itself had written was not rolled back.
            assert databases.execute(output, "drop table mine") == []
        there = databases.execute(output, "select count(*) from pg_class where relname = 'after'")
        assert there == [(1 if autocommit and again == TRANSACTION_STATUS_IDLE else 0,)]
        databases.execute(output, "drop table if exists after")


def test_earlier_models_leave_no_temp_tables(session: Any) -> None:
    def kept() -> int:
        with session.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_class where relname like %s", [r"\_\_samespace\_kernel\_%"]
            )
            return int(cursor.fetchone()[0])

    points(session, [[1.0, 2.0, 3.0]] * 3)
    for owner, count in (("model.one", 1), ("model.one", 2), ("model.it's", 1), ("model.it's", 2)):
        found(session, "knn", owner=owner)
        assert kept() == count


def test_one_snapshot_and_no_timeout(session: Any, output: dict[str, Any], monkeypatch: Any) -> None:
    """What others commit while a kernel computes is not read; a strict server does not end the session."""
    points(session, [[1.0, 2.0, 3.0]] * 4, ["m@1", "m@1", "n@2", "n@2"])
    with session.cursor() as cursor:
        cursor.execute("set idle_in_transaction_session_timeout = '100ms'")
    session.commit()
    knn = _kernel_jobs.RUN["knn"]

    def slow(request: Any) -> Iterator[Any]:
        for batch in knn(request):
            yield batch
            databases.execute(output, "delete from points where space = 'n@2'")
            threading.Event().wait(0.3)

    monkeypatch.setitem(_kernel_jobs.RUN, "knn", slow)
    assert len(found(session, "knn")) == 4
    with session.cursor() as cursor:
        cursor.execute("reset idle_in_transaction_session_timeout")
    session.commit()


@dataclass
class Job:
    handle: Any
    stopped: threading.Event = field(default_factory=threading.Event)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_pairs": 1}, "samespace.duplicate_pairs: 'points': at least"),
        (
            {"select": "select 1 as nothing"},
            'UndefinedColumn: column "space" does not exist. dbt\'s debug log',
        ),
    ],
)
def test_an_error_is_one_sentence(session: Any, changes: dict[str, Any], sentence: str) -> None:
    points(session, [[1.0, 2.0, 3.0]] * 5)
    answer = postgres_kernels.run(Job(session), json.dumps(fields("duplicate_pairs", **changes)))
    assert answer["table"] is None
    assert sentence in answer["error"]
    assert "\n" not in answer["error"]
    assert session.info.transaction_status == 0
    answer = postgres_kernels.run(Job(session), json.dumps(fields("duplicate_pairs")))
    assert (answer["error"], answer["state"]) == (None, "as it was")


def test_a_role_without_temp_tables_reads_what_to_grant(session: Any, output: dict[str, Any]) -> None:
    points(session, [[1.0, 2.0, 3.0]] * 3)
    name = output["dbname"]
    databases.execute(output, f'create role modest; revoke temporary on database "{name}" from public')
    databases.execute(output, "grant usage on schema main to modest; grant select on points to modest")
    with databases.connected(output) as connection:
        connection.cursor().execute("set role modest")
        answer = postgres_kernels.run(Job(connection), json.dumps(fields("knn")))
    assert f"grant temporary on database {name} to modest" in answer["error"]


def test_the_macro_knows_the_results_of_the_kernels() -> None:
    text = (REPO / "macros" / "primitives" / "run_kernel.sql").read_text()
    body = re.search(
        r"macro _kernel_columns.*?set pair = (.*?) %}.*?return\((.*?)\[kernel\]\)", text, re.DOTALL
    )
    assert body is not None
    pair = ast.literal_eval(body[1])
    columns = ast.literal_eval(
        re.sub(r"dict\(pair, rank='integer'\)|\bpair\b", lambda used: repr(
            {**pair, "rank": "integer"} if "rank" in used[0] else pair), body[2])
    )  # fmt: skip
    shown = {
        kernel: ", ".join(f"{name} {kind}" for name, kind in named.items())
        for kernel, named in columns.items()
    }
    assert shown == {
        kernel: result.lower().replace("double", "double precision") for kernel, result in RESULTS.items()
    }


MEMORY = """
import json, re, sys
import numpy as np
from samespace.io._postgres_rows import PostgresReader
from samespace.kernels import _vectors
import psycopg2
given = json.loads(sys.argv[1])
connection = psycopg2.connect(**given)
cursor = connection.cursor()
reader = PostgresReader(cursor)
reader.rows("select * from many where ordinal <= 100", "m@1")
# Not ru_maxrss, which starts with that of the process that started this one.
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
rows = reader.rows("select * from many", "m@1")
assert rows.matrix.shape == (100_000, 384), rows.matrix.shape
print((peak() - before) * 1024 / rows.matrix.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux' /proc")
def test_memory_is_the_matrix_and_little_more(output: dict[str, Any]) -> None:
    # One vector for all rows: making 100,000 would take longer than reading them.
    databases.execute(
        output,
        "create table many as select n as ordinal, n as entity, text 'm@1' as space, v.embedding"
        " from generate_series(1, 100000) as n,"
        " (select array_agg(i::real)::vector(384) as embedding from generate_series(1, 384) as i) as v",
    )
    reach = {name: output[name] for name in ("host", "port", "user", "dbname")}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, json.dumps({**reach, "options": "-c search_path=main,public"})],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(REPO / "python")},
    )  # fmt: skip
    databases.execute(output, "drop table many")
    assert done.returncode == 0, done.stderr
    assert 0.9 < float(done.stdout) < 1.7
