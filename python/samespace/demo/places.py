"""Where a demo's tables are: how dbt gets there, and how they are read afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from samespace.demo.errors import DemoError
from samespace.demo.readers import DuckDBReader, PostgresReader, Reader
from samespace.demo.server import Server, running

TARGETS = ("duckdb", "pgvector")
DATABASE = "demo"


class Place(Protocol):
    """A schema of a database that dbt builds into."""

    @property
    def schema(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def home(self) -> Path:
        """What to keep in order to keep the tables: a file, or the server's folder."""
        ...

    @property
    def output(self) -> dict[str, Any]:
        """The output of a profiles.yml that leads here."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the repository's profiles.yml lead here."""
        ...

    def read(self) -> Reader: ...

    def explain(self, error: str) -> str:
        """An error of this database for a person, or the error."""
        ...


@dataclass(frozen=True)
class DuckDBFile:
    """A DuckDB file."""

    home: Path
    schema: str
    target: str = "duckdb"

    @property
    def output(self) -> dict[str, Any]:
        plugins = [{"module": "samespace.duckdb_plugin"}]
        return {"type": "duckdb", "path": self.home.name, "threads": 2, "plugins": plugins}

    @property
    def environment(self) -> dict[str, str]:
        return {"SAMESPACE_DUCKDB_PATH": str(self.home)}

    def read(self) -> Reader:
        return DuckDBReader(self.home)

    def explain(self, error: str) -> str:
        if "Could not set lock on file" not in error:
            return error
        return (
            f"{self.home.name} is open in another program, and DuckDB lets only one program write. "
            "Close it there and run this again."
        )


@dataclass(frozen=True)
class PostgresSchema:
    """A schema of the demo's database on the embedded PostgreSQL."""

    server: Server
    home: Path
    schema: str
    target: str = "pgvector"

    @property
    def output(self) -> dict[str, Any]:
        return {**self.server.output(DATABASE, self.schema), "threads": 2}

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.server)

    def read(self) -> Reader:
        return PostgresReader(self.server.url(DATABASE))

    def explain(self, error: str) -> str:
        return error


@contextmanager
def opened(target: str, file: Path, schema: str) -> Iterator[Place]:
    """The place on a target: ``schema`` of the DuckDB file or of the embedded PostgreSQL, which runs as long
    as the block does. Raises DemoError for an unknown target."""
    check(target)
    if target == "duckdb":
        yield DuckDBFile(file, schema)
        return
    folder = postgres_folder()
    with running(folder, DATABASE) as server:
        yield PostgresSchema(server, folder, schema)


def check(target: str) -> None:
    """Raises DemoError where there is no such target."""
    if target not in TARGETS:
        raise DemoError(f"There is no TARGET '{target}'. The demo knows {' and '.join(TARGETS)}.")


def postgres_folder() -> Path:
    """Where the data of the embedded PostgreSQL is kept: below the checkout, out of git's sight."""
    from samespace.demo.project import repository

    given = os.environ.get("SAMESPACE_POSTGRES_PATH")
    return Path(given).expanduser().absolute() if given else repository() / ".demo" / "postgres"


def environment(server: Server) -> dict[str, str]:
    """Variables for dbt (the repository's profiles.yml), and for psql and other users of libpq."""
    address = {"HOST": server.host, "PORT": str(server.port), "USER": server.user}
    return {
        "SAMESPACE_TARGET": "pgvector",
        **{f"SAMESPACE_PG_{name}": value for name, value in address.items()},
        "SAMESPACE_PG_DBNAME": DATABASE, "SAMESPACE_PG_PASSWORD": "not-asked-for",
        **{f"PG{name}": value for name, value in address.items()}, "PGDATABASE": DATABASE,
    }  # fmt: skip
