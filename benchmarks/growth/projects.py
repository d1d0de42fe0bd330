"""A column of distinct texts in both databases, and a dbt project that embeds it with a static encoder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from common import corpus
from common.dbt_project import WORDLLAMA, Project
from common.postgres import cpu_seconds, server_and_connection
from common.timing import Took

CREATE = "create table main.raw_texts as select id, body from given"


def texts(rows: int) -> list[str]:
    """Distinct texts; beyond those of the machine, the same with a number after them."""
    real = corpus.texts(min(rows, corpus.available()))
    return real + [f"{real[i % len(real)]} ({i // len(real)})" for i in range(len(real), rows)]


@dataclass
class Column:
    """The project, and the server whose CPU time counts with dbt's."""

    project: Project
    server: Any = None

    def run(self) -> Took:
        """One dbt run in a fresh process."""
        before = self._server_cpu()
        ran = self.project.dbt("run", "--select", "embedded")
        return Took(ran.wall, ran.cpu + self._server_cpu() - before, 1)

    def _server_cpu(self) -> float:
        return cpu_seconds(self.server) if self.server else 0.0


def _project(output: dict[str, Any]) -> Project:
    project = Project(specs={"static256": WORDLLAMA}, output=output)
    project.sources("raw_texts")
    sql = "select id, body from {{ source('raw', 'raw_texts') }}"
    project.model("embedded", sql, materialized="embedding", model="static256", key="id", text="body")
    # Parsing a project for the first time is no part of any row's cost.
    project.dbt("--quiet", "parse")
    return project


@contextmanager
def column(kind: str, rows: int) -> Iterator[Column]:
    """``kind``: duckdb or pgvector. The project is removed afterwards."""
    if kind == "duckdb":
        project = _project({})
        given = pa.table({"id": pa.array(range(rows)), "body": pa.array(texts(rows))})
        with duckdb.connect(str(project.database)) as connection:
            connection.execute(CREATE)
        del given
        try:
            yield Column(project)
        finally:
            shutil.rmtree(project.root, ignore_errors=True)
        return
    with server_and_connection() as (server, connection):
        project = _project(server.output("postgres", "main"))
        connection.execute("create schema main")
        connection.execute("create table main.raw_texts (id integer, body text)")
        with connection.cursor().copy("copy main.raw_texts from stdin") as copy:
            for number, text in enumerate(texts(rows)):
                copy.write_row((number, text))
        connection.execute("vacuum analyze main.raw_texts")
        try:
            yield Column(project, server)
        finally:
            shutil.rmtree(project.root, ignore_errors=True)
