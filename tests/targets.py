"""The databases the tests run on: one row each. A new database is one more row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databases import create_database


@dataclass(frozen=True)
class Target:
    """An engine and how a scratch project reaches it.

    ``output`` gets the project's folder and returns its whole output of profiles.yml. A served database is
    started inside ``output``, so it starts when a test first needs it; each project has a database to itself.
    """

    name: str
    output: Callable[[Path], dict[str, Any]]


def duckdb_output(folder: Path) -> dict[str, Any]:
    return {
        "type": "duckdb", "path": str(folder / "scratch.duckdb"), "schema": "main", "threads": 1,
        "plugins": [{"module": "samespace.duckdb_plugin"}],
    }  # fmt: skip


def pgvector_output(folder: Path) -> dict[str, Any]:
    return {**create_database(folder.name), "threads": 1}


TARGETS = [Target("duckdb", duckdb_output), Target("pgvector", pgvector_output)]
DUCKDB, PGVECTOR = TARGETS
