"""The databases behind the tests, reached without dbt and without our package."""

from __future__ import annotations

import atexit
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_numbers = itertools.count(1)

# A small budget on purpose: four dbt threads have to do with it. Durability costs time and proves nothing.
SETTINGS = {"max_connections": "20", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def server(version: int = 16) -> Any:
    """One embedded PostgreSQL per test process and version; it stops with the process."""
    return _server(version)


@cache
def _server(version: int) -> Any:
    from samespace.demo.server import start

    folder = Path(tempfile.mkdtemp(prefix=f"samespace-pg{version}-"))
    # Last in, first out: this runs after the server has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return start(folder / "data", version, SETTINGS)


def create_database(name: str, version: int = 16, host: Any = None) -> dict[str, Any]:
    """A fresh database with the schema main, as an output of profiles.yml, on ``host`` if given."""
    slug = re.sub(r"\W", "_", name.lower())[:40]
    database = f"{slug}_{os.getpid()}_{next(_numbers)}"
    host = host or server(version)
    with connected(host.output("postgres", "public")) as connection:
        connection.cursor().execute(f'create database "{database}"')
    # Unqualified names of the tests' SQL mean the schema main, as on DuckDB.
    output = {**host.output(database, "main"), "search_path": "main, public"}
    execute(output, "create schema main")
    return output


@contextmanager
def connected(output: dict[str, Any]) -> Iterator[Any]:
    """A psycopg2 connection (autocommit) to the database of an output."""
    import psycopg2

    path = output.get("search_path", "public").replace(" ", "")
    connection = psycopg2.connect(
        host=output["host"], port=output["port"], user=output["user"], dbname=output["dbname"],
        options=f"-c search_path={path}",
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def execute(output: dict[str, Any], sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Run one statement ('?' marks parameters) and return its rows, [] where it has none."""
    if output["type"] == "duckdb":
        import duckdb

        with duckdb.connect(str(output["path"])) as connection:
            return connection.execute(sql, parameters or []).fetchall()
    with connected(output) as connection, connection.cursor() as cursor:
        if parameters:
            cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
        else:
            cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def execute_many(output: dict[str, Any], sql: str, rows: list[tuple[Any, ...]]) -> None:
    """Run one statement ('?' marks parameters) for each row."""
    if output["type"] == "duckdb":
        import duckdb

        with duckdb.connect(str(output["path"])) as connection:
            connection.executemany(sql, rows)
        return
    from psycopg2.extras import execute_batch

    with connected(output) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        execute_batch(cursor, sql.replace("%", "%%").replace("?", "%s"), rows, page_size=500)
        connection.commit()


def vector_type(output: dict[str, Any], dimension: int) -> str:
    """The column type of a vector on this engine."""
    return f"float[{dimension}]" if output["type"] == "duckdb" else f"vector({dimension})"
