"""What a run does, as numbers: texts, calls, statements, bytes. Guards against slow without a clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import duckdb
import numpy as np
import psycopg2.extensions
import pytest
from counting import CountedProject
from job_connection import DIMENSION, SPEC, Connection, Toy, content_hash, database
from samespace._job import PAGE_ROWS, Coverage, Encoded
from samespace._registry import Registration
from samespace.io._copy import HEADER, TRAILER, Pieces, encode_rows
from samespace.io.duckdb import DuckDBStore
from samespace.io.postgres import PostgresStore
from samespace.pump import Job, fill
from samespace.spec import ModelSpec
from targets import Target

MODEL = ModelSpec.from_dict(SPEC)
ROWS = [{"id": number, "body": f"text {number % 40}"} for number in range(50)]
# Statements that dbt sends for one embedding model, transactions included: the first run, an unchanged one.
STATEMENTS = {"duckdb": (16, 17), "pgvector": (14, 14)}
# Statements of phase B that the pump sends itself: a first fill of three pages, and one with nothing to do.
FILL = {"duckdb": (20, 7), "pgvector": (34, 8)}


@pytest.fixture(scope="module")
def counted(counted_project: Callable[..., CountedProject], target: Target) -> CountedProject:
    made = counted_project("counts", on=target)
    made.table("raw", ROWS)
    made.model("emb", "select * from raw")
    return made


def test_statements_and_texts_of_a_run(counted: CountedProject) -> None:
    """A statement more is a round trip more, and often a pass over all rows: have a reason."""
    first, unchanged = STATEMENTS[counted.engine]
    counted.run()
    assert sorted(counted.counted()) == sorted(f"text {number}" for number in range(40))
    assert counted.project.statements() == first
    counted.run()
    assert counted.counted() == []
    assert counted.project.statements() == unchanged


class Recorder:
    """A DuckDB connection that notes what is executed."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def execute(self, sql: str, *parameters: Any) -> Any:
        self.statements.append(sql)
        return self.connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class Cursor(psycopg2.extensions.cursor):
    """The same of psycopg2; also the bytes of each COPY."""

    statements: ClassVar[list[str]] = []
    copied: ClassVar[list[int]] = []

    def execute(self, sql: Any, parameters: Any = None) -> None:
        self.statements.append(sql)
        super().execute(sql, parameters)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self.statements.append(sql)
        pieces = list(iter(file.read, b""))
        self.copied.append(sum(map(len, pieces)))
        super().copy_expert(sql, Pieces(iter(pieces)), size)


STAGE = "create {kind} __samespace_stage as select * from (values {rows}) as rows(id, body, content_hash)"


def stage(count: int, kind: str) -> str:
    rows = [f"({number}, 'text {number % 100:02d}', '{content_hash(f'text {number % 100:02d}')}')"
            for number in range(count)]  # fmt: skip
    return STAGE.format(kind=kind, rows=", ".join(rows))


@pytest.fixture(params=["duckdb", "pgvector"])
def engine(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, list[str]]]:
    """Its name, a store on 120 rows of 100 texts, and the statements sent so far."""
    if request.param == "duckdb":
        recorder = Recorder(duckdb.connect())
        recorder.connection.execute(stage(120, "temp table"))
        yield "duckdb", DuckDBStore(recorder, "memory", "samespace"), recorder.statements
        recorder.connection.close()
        return
    connection = Connection(database("counts"), autocommit=True)
    connection.query(stage(120, "temp table"))
    connection.handle.cursor_factory = Cursor
    Cursor.statements, Cursor.copied = [], []
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        yield "pgvector", store, Cursor.statements
    connection.close()


def job() -> Job:
    return Job([MODEL], "document", "__samespace_stage", "id", "body", "notes", None, True, page_rows=40)


def test_statements_of_a_fill(engine: tuple[str, Any, list[str]]) -> None:
    name, store, statements = engine
    first, unchanged = FILL[name]
    store.prepare()
    store.register(MODEL, Registration(MODEL.model_id, MODEL.digest, 1, np.ones((1, DIMENSION), np.float32)))
    statements.clear()
    calls: list[int] = []
    encoder = Toy(MODEL, lambda texts: calls.append(len(texts)))
    done = fill(job(), store, lambda spec, prove=None: encoder, print, threading.Event())[0]
    assert (done.distinct_texts, done.embedded, done.truncated) == (100, 100, 0)
    # 16 texts first, then as many as a page has.
    assert calls == [16, 24, 40, 20]
    assert sorted(encoder.texts) == [f"text {number:02d}" for number in range(100)]
    before = len(statements)
    again = fill(job(), store, lambda spec, prove=None: pytest.fail("loaded"), print, threading.Event())[0]
    assert (again.distinct_texts, again.embedded) == (100, 0)
    assert (before, len(statements) - before) == (first, unchanged)


def test_bytes_of_a_page() -> None:
    page = Encoded(
        [content_hash(str(number)) for number in range(10)], np.ones((10, DIMENSION), np.float32),
        np.ones(10, np.int32), np.zeros(10, np.bool_),
    )  # fmt: skip
    # Number of fields; role, hash, vector, tokens and truncated, each after its size.
    row = 2 + (4 + 8) + (4 + 64) + (4 + 4 + 4 * DIMENSION) + (4 + 4) + (4 + 1)
    assert len(b"".join(encode_rows("document", page))) == len(HEADER) + 10 * row + len(TRAILER)


def test_a_page_is_sent_once(engine: tuple[str, Any, list[str]]) -> None:
    name, store, statements = engine
    store.prepare()
    cache = store.prepare_cache(MODEL)
    hashes = [content_hash(f"text {number:02d}") for number in range(3)]
    page = Encoded(hashes, np.ones((3, DIMENSION), np.float32))
    before = len(statements)
    store.write_page(cache, "document", page)
    assert len(statements) - before == {"duckdb": 1, "pgvector": 3}[name]
    if name == "pgvector":
        assert Cursor.copied == [len(b"".join(encode_rows("document", page)))]
    assert store.coverage("__samespace_stage", cache, "document") == Coverage(100, 97, 0)


def test_a_page_of_the_pump_is_large() -> None:
    assert PAGE_ROWS == 16_384
