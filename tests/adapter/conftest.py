"""dbt's own adapter tests run on our adapter and the embedded server; their fixtures stay in this folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dbt_ahead
import pytest
from databases import execute, server

# As `pytest_plugins` (which only the top folder may have) they would reach the tests of the other folders.
from dbt.tests.adapter import hooks
from dbt.tests.fixtures.project import *  # noqa: F403
from dbt_common.events import logger

# dbt's suites have class-scoped fixtures that are instance methods; pytest 9 says that pytest 10 will not.
SUITES_WARN = "ignore:Class-scoped fixtures defined as instance methods:pytest.PytestRemovedIn10Warning"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings(SUITES_WARN))


@pytest.fixture(scope="session", autouse=True)
def log_files_are_closed() -> Iterator[None]:
    """dbt forgets the files it logged to; the warning would hit the test during which they are collected."""
    setup = logger._Logger._get_python_log_for_handler

    def set_up(self: Any, handler: logging.Handler) -> logging.Logger:
        close_logs(self.name)
        return setup(self, handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger._Logger, "_get_python_log_for_handler", set_up)
        yield
    close_logs("file_log")


def close_logs(name: str) -> None:
    for handler in logging.getLogger(name).handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()


@pytest.fixture(scope="session", autouse=True)
def dbt_in_this_process_is_quicker() -> None:
    dbt_ahead.write_json_at_once()
    dbt_ahead.look_for_secrets_once()


@pytest.fixture(scope="session")
def adapter_database() -> dict[str, Any]:
    """One database for all of these tests, by the name that dbt's suites expect; each makes a schema."""
    host = server(16)
    administrator = host.output("postgres", "public")
    execute(administrator, "create database dbt")
    for number in (1, 2, 3):
        os.environ[f"DBT_TEST_USER_{number}"] = f"dbt_test_user_{number}"
        execute(administrator, f"create role dbt_test_user_{number}")
    return {**host.output("dbt", "public"), "threads": 4}


@pytest.fixture(scope="class")
def dbt_profile_target(adapter_database: dict[str, Any]) -> dict[str, Any]:
    return dict(adapter_database)


@pytest.fixture(scope="class")
def logs_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # dbt's own fixture writes into the folder of the repository.
    folder = str(tmp_path_factory.mktemp("logs"))
    os.environ["DBT_LOG_PATH"] = folder
    yield folder
    del os.environ["DBT_LOG_PATH"]


@pytest.fixture(scope="module")
def test_data_dir() -> Path:
    """The SQL that dbt's suites of hooks run first."""
    return Path(*hooks.__path__) / "data"
