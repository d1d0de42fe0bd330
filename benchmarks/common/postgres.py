"""An embedded PostgreSQL for a benchmark: settings that are stated, vectors loaded fast, its CPU time."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from samespace.demo.server import Server, start

SETTINGS = {
    "shared_buffers": "2GB", "max_wal_size": "8GB", "autovacuum": "off", "fsync": "off",
    "max_connections": "20",
}  # fmt: skip


def connect(server: Server) -> psycopg.Connection[Any]:
    """A connection: autocommit, no prepared plans."""
    return psycopg.connect(
        host=server.host, port=server.port, user=server.user, dbname="postgres",
        autocommit=True, prepare_threshold=None,
    )  # fmt: skip


def fresh_server(settings: dict[str, str] | None = None) -> tuple[Server, psycopg.Connection[Any]]:
    """A server of its own with pgvector, and a connection to it. It stops with this process."""
    folder = Path(tempfile.mkdtemp(prefix="samespace-bench-"))
    server = start(folder / "data", settings={**SETTINGS, **(settings or {})})
    connection = connect(server)
    connection.execute("create extension vector")
    return server, connection


@contextmanager
def server_and_connection(
    settings: dict[str, str] | None = None,
) -> Iterator[tuple[Server, psycopg.Connection[Any]]]:
    """The same for as long as a block runs; its data is removed afterwards."""
    server, connection = fresh_server(settings)
    try:
        yield server, connection
    finally:
        connection.close()
        server.stop()
        shutil.rmtree(server.handle.folder.parent, ignore_errors=True)


def cpu_seconds(server: Server) -> float:
    """CPU time of the server so far: its first process, all that run below it, and all that have ended.

    0.0 where the system has no /proc: then only the client's time is known.
    """
    main = int((server.handle.folder / "postmaster.pid").read_text().split()[0])
    total = 0.0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rsplit(")", 1)[1].split()
            pid, parent = int(status.parent.name), int(fields[1])
            if pid == main:
                total += sum(map(int, fields[11:15]))
            elif parent == main:
                total += sum(map(int, fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def backend_cpu(pid: int) -> float:
    """CPU seconds of one process of the server, to the nanosecond (Linux)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def load(connection: psycopg.Connection[Any], table: str, model_id: str, matrix: NDArray[np.float32]) -> None:
    """COPY rows into (id integer, label text, model_id text, embedding vector) of a table.

    Every 100th label is ``rare1``, every 10th ``tenth``, the others are ``often``.
    """
    rows, dimension = matrix.shape
    layout = np.dtype([
        ("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4"), ("label_size", ">i4"), ("label", "S5"),
        ("model_size", ">i4"), ("model", f"S{len(model_id)}"), ("vector_size", ">i4"), ("dimension", ">i2"),
        ("unused", ">i2"), ("vector", ">f4", (dimension,)),
    ])  # fmt: skip
    with connection.cursor().copy(
        f"copy {table} (id, label, model_id, embedding) from stdin (format binary)"
    ) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for first in range(0, rows, 10_000):
            part = matrix[first : first + 10_000]
            packed = np.zeros(len(part), layout)
            packed["fields"], packed["id_size"], packed["label_size"] = 4, 4, 5
            packed["model_size"], packed["model"] = len(model_id), model_id.encode()
            packed["id"], packed["label"] = np.arange(first, first + len(part)), b"often"
            packed["label"][packed["id"] % 100 == 0] = b"rare1"
            packed["label"][packed["id"] % 10 == 5] = b"tenth"
            packed["vector_size"], packed["dimension"] = 4 + 4 * dimension, dimension
            packed["vector"] = part
            copy.write(packed.tobytes())
        copy.write(b"\xff\xff")


def machine(connection: psycopg.Connection[Any]) -> str:
    """One line about where the figures were measured."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {version(connection)}"


def version(connection: psycopg.Connection[Any]) -> str:
    """The server, its extension and what it was given."""
    found = connection.execute(
        "select current_setting('server_version'), extversion, current_setting('shared_buffers') "
        "from pg_extension where extname = 'vector'"
    ).fetchone()
    assert found is not None
    return f"PostgreSQL {found[0]}, pgvector {found[1]}, shared_buffers {found[2]}"
