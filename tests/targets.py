"""The databases the tests run on: one row each. A new database is one more row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """An engine and how a scratch project reaches it.

    ``output`` gets the project's folder and returns what differs from the harness's DuckDB output.
    A served database is started inside ``output``, so it starts when a test first needs it.
    """

    name: str
    output: Callable[[Path], dict[str, Any]]


def duckdb_output(folder: Path) -> dict[str, Any]:
    return {"type": "duckdb", "path": str(folder / "scratch.duckdb")}


TARGETS = [Target("duckdb", duckdb_output)]
