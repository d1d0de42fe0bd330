"""Tables of vectors in both databases, and the statement that dbt renders for a search in them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa
from common import corpus
from common.dbt_project import Project
from common.postgres import backend_cpu, load, server_and_connection
from common.timing import cpu_seconds
from numpy.typing import NDArray

MODEL = "minilm@00000000"
ASKED = 100
# Stands in the rendered statement where the number of a query goes.
NUMBER = 424242
VECTOR = f"query_vector='(select embedding from main.asked where id = {NUMBER})', query_model='{MODEL}'"
SEARCH = "{{ samespace.search(source('raw', 'docs'), " + VECTOR + ", key='id', method='exact') }}"


class Held(Protocol):
    """A database whose table ``docs`` can be replaced and searched."""

    def fill(self, matrix: NDArray[np.float32]) -> None: ...

    def ask(self, number: int) -> list[Any]: ...

    def cpu(self) -> float: ...


def arrow(matrix: NDArray[np.float32]) -> pa.Table:
    """Columns id, model_id, content_hash, embedding."""
    rows, dimension = matrix.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dimension)
    return pa.table({
        "id": pa.array(np.arange(rows, dtype=np.int32)),
        "model_id": pa.array([MODEL]).take(pa.array(np.zeros(rows, np.int32))),
        "content_hash": pa.array(["0" * 64]).take(pa.array(np.zeros(rows, np.int32))),
        "embedding": vectors,
    })  # fmt: skip


def _statement(project: Project) -> str:
    """What the macro becomes on the tables that are there now; names without the database's."""
    project.dbt("--quiet", "compile", "--select", "asking")
    return re.sub(r'"(bench|postgres)"\.(?=")', "", project.compiled("asking"))


def _project(output: dict[str, Any]) -> Project:
    project = Project(output=output)
    project.sources("docs", "asked")
    project.model("asking", SEARCH, materialized="table")
    return project


class Duck:
    """A DuckDB file with default storage, one thread."""

    def __init__(self, folder: Project) -> None:
        self.project, self.sql = folder, ""
        self.connection: Any = None

    def fill(self, matrix: NDArray[np.float32]) -> None:
        self.close()
        with duckdb.connect(str(self.project.database)) as connection:
            for name, part in (("docs", matrix), ("asked", corpus.queries(ASKED))):
                rows = arrow(part)
                connection.execute(f"create or replace table {name} as select * from rows")
                del rows
            connection.execute("checkpoint")
        self.sql = _statement(self.project)
        self.connection = duckdb.connect(str(self.project.database), config={"threads": 1})

    def ask(self, number: int) -> list[Any]:
        return self.connection.execute(self.sql.replace(str(NUMBER), str(number % ASKED))).fetchall()

    def cpu(self) -> float:
        return cpu_seconds()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


@contextmanager
def duck() -> Iterator[Held]:
    held = Duck(_project({}))
    try:
        yield held
    finally:
        held.close()
        _remove(held.project.root)


class Postgres:
    """An embedded PostgreSQL without parallel workers; CPU time is the backend's."""

    def __init__(self, project: Project, connection: Any) -> None:
        self.project, self.connection, self.sql = project, connection, ""
        connection.execute("create schema if not exists main")
        connection.execute("set max_parallel_workers_per_gather = 0")

    def fill(self, matrix: NDArray[np.float32]) -> None:
        for name, part in (("docs", matrix), ("asked", corpus.queries(ASKED))):
            self.connection.execute(f"drop table if exists main.{name}")
            self.connection.execute(
                f"create table main.{name} (id integer, label text, model_id text, "
                f"content_hash text default repeat('0', 64), embedding vector({part.shape[1]}))"
            )
            load(self.connection, f"main.{name}", MODEL, part)
            self.connection.execute(f"vacuum analyze main.{name}")
        self.sql = _statement(self.project)

    def ask(self, number: int) -> list[Any]:
        return self.connection.execute(self.sql.replace(str(NUMBER), str(number % ASKED))).fetchall()

    def cpu(self) -> float:
        return cpu_seconds() + backend_cpu(self.connection.info.backend_pid)


@contextmanager
def postgres() -> Iterator[Held]:
    with server_and_connection() as (server, connection):
        project = _project(server.output("postgres", "main"))
        try:
            yield Postgres(project, connection)
        finally:
            _remove(project.root)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
