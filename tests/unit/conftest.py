"""A PostgreSQL database for each test of the store and its jobs, and dbt's connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from job_connection import Connection, database


@pytest.fixture
def output() -> dict[str, Any]:
    return database("jobs")


@pytest.fixture(params=[False, True], ids=["transactions", "autocommit"])
def connection(output: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[Connection]:
    made = Connection(output, autocommit=request.param)
    yield made
    made.close()
