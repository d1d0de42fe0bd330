"""A job's connection without dbt, a stage to fill from, and an encoder that a test can tell what to do."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import databases
import numpy as np
import psycopg2
from samespace.encoders.base import Encoder, TokenCounts
from samespace.io.postgres_jobs import JOBS
from samespace.spec import ModelSpec

DIMENSION = 8
SPEC = {
    "name": "toy", "model_id": "toy@aaaaaaaa", "digest": "a" * 32, "provider": "toy", "dimension": DIMENSION,
    "identity": {"model": "toy"},
}  # fmt: skip
CACHE = f'samespace."embedding_cache_{"a" * 32}"'


def database(name: str) -> dict[str, Any]:
    """An output whose database has pgvector."""
    output = databases.create_database(name)
    databases.execute(output, "create extension vector schema public")
    return output


class Connection:
    """What the adapter hands to a job: ``host`` and ``port`` may be those of a pooler in between."""

    def __init__(self, output: dict[str, Any], autocommit: bool = False, **changes: Any) -> None:
        self.output, self.autocommit = {**output, **changes}, autocommit
        self.stopped = threading.Event()
        self.reconnected = 0
        self.handle = self.open(autocommit)

    def open(self, autocommit: bool) -> Any:
        path = self.output.get("search_path", "public").replace(" ", "")
        handle = psycopg2.connect(
            host=self.output["host"], port=self.output["port"], user=self.output["user"],
            dbname=self.output["dbname"], options=f"-c search_path={path}",
        )  # fmt: skip
        handle.autocommit = autocommit
        return handle

    def reconnect(self) -> None:
        self.reconnected += 1
        self.handle = self.open(self.autocommit)

    @contextmanager
    def second(self) -> Iterator[Any]:
        other = self.open(True)
        try:
            yield other
        finally:
            other.close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement in this session; it commits."""
        with self.handle.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
        if not self.autocommit:
            self.handle.commit()
        return rows

    def close(self) -> None:
        self.handle.close()


class Toy(Encoder):
    """Random directions by text; ``happens`` gets the texts of each call that are no canaries."""

    engine = "toy"

    def __init__(self, spec: ModelSpec, happens: Callable[[list[str]], None] = lambda texts: None) -> None:
        super().__init__(spec)
        self.happens = happens
        self.texts: list[str] = []

    def encode(self, values: Sequence[str], role: str = "document") -> Any:
        from samespace.canaries import TEXTS

        texts = [value for value in values if value not in TEXTS]
        if texts:
            self.happens(texts)
        self.texts += texts
        return np.vstack([vector(value) for value in values])

    def token_counts(self, values: Sequence[str], role: str = "document") -> TokenCounts:
        tokens = np.array([len(value) for value in values], dtype=np.int32)
        return TokenCounts(tokens, tokens > 100, 100)


def fresh_encoder(monkeypatch: Any) -> Toy:
    """A process that has loaded nothing yet; what it will load. Calls are of 16 texts, so there are many."""
    from samespace import canaries
    from samespace._pace import Pace

    made = Toy(ModelSpec.from_dict(SPEC))
    monkeypatch.setattr(canaries, "load_encoder", lambda spec: made)
    monkeypatch.setattr(canaries, "_loaded", {})
    monkeypatch.setattr(canaries, "_passed", set())
    monkeypatch.setattr(Pace, "took", lambda self, texts, seconds: None)
    return made


def cached(output: dict[str, Any]) -> dict[str, list[float]]:
    """What the cache holds, by content_hash."""
    return dict(databases.execute(output, f"select content_hash, cast(embedding as real[]) from {CACHE}"))


def is_complete(output: dict[str, Any], last: int) -> bool:
    """Whether the cache holds the vectors of texts number 1 to ``last``, and nothing else."""
    found = cached(output)
    wanted = {content_hash(f"text {n}"): vector(f"text {n}") for n in range(1, last + 1)}
    return set(found) == set(wanted) and all(np.allclose(found[key], row) for key, row in wanted.items())


def vector(text: str) -> Any:
    row = np.random.default_rng(list(text.encode())).normal(size=DIMENSION)
    return (row / np.linalg.norm(row)).astype(np.float32)


def content_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stage(connection: Connection, first: int, last: int) -> None:
    """The temp table of the materialization: texts number ``first`` to ``last``."""
    connection.query(
        "drop table if exists pg_temp.__samespace_stage; create temp table __samespace_stage as "
        "select i as id, 'text ' || i as body, encode(sha256(convert_to('text ' || i, 'UTF8')), 'hex') "
        f"as content_hash from generate_series({first}, {last}) as i"
    )


def request(**changes: Any) -> str:
    return json.dumps({
        "specs": [SPEC], "role": "document", "stage": "__samespace_stage", "key": "id", "text": "body",
        "title": "notes", "target": None, "cache": True, "page_rows": 100, "catalog": "x",
        "schema": "samespace", **changes,
    })  # fmt: skip


def fill(connection: Connection, **changes: Any) -> list[dict[str, Any]]:
    """The rows that a fill leaves."""
    answer = JOBS["fill"](connection, request(**changes))
    assert answer == {"error": None}
    with connection.handle.cursor() as cursor:
        cursor.execute("select * from __samespace_outcome")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not connection.autocommit:
        connection.handle.commit()
    return rows


def fill_in_a_process() -> None:
    """Of a child process: fill as the environment says, and print what was encoded."""
    import time

    from samespace import canaries
    from samespace.io import postgres_jobs

    told = json.loads(os.environ["FILL"])
    encoder = Toy(ModelSpec.from_dict(SPEC), lambda texts: time.sleep(told["seconds"] * len(texts)))
    canaries.load_encoder = lambda spec: encoder
    lines: list[str] = []
    postgres_jobs.dbt_log = lambda: lines.append
    connection = Connection(told["output"])
    stage(connection, *told["texts"])
    rows = fill(connection)
    print(json.dumps({"encoded": encoder.texts, "rows": rows, "lines": lines}))
