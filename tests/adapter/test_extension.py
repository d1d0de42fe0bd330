"""The extension vector: created where it is missing, one sentence where it cannot be used."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from adapter.sessions import credentials, manager, value
from databases import connected, create_database, execute
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.pgvector import extension

WHERE = "select extnamespace::regnamespace::text from pg_extension where extname = 'vector'"


@pytest.fixture
def output() -> dict[str, Any]:
    return create_database("extension")


@pytest.fixture
def stranger(output: dict[str, Any]) -> dict[str, Any]:
    """The same database for a role that may only connect."""
    name = f"stranger_of_{output['dbname']}"
    execute(output, f'create role "{name}" login')
    return {**output, "user": name}


def refusal(output: dict[str, Any], **changes: Any) -> str:
    with manager(output, **changes) as connections, pytest.raises(FailedToConnectError) as refused:
        _ = connections.get_thread_connection().handle
    assert connections.thread_connections == {}
    return str(refused.value)


@pytest.mark.parametrize("autocommit", [False, True])
def test_it_is_created_where_others_see_it(output: dict[str, Any], autocommit: bool) -> None:
    with manager(output, autocommit=autocommit) as connections:
        assert value(connections, "select cast('[1,2]' as vector(2))::text") == "[1,2]"
    # The first schema of the search_path is main, which in real life is one developer's own.
    assert execute(output, WHERE) == [("public",)]


def test_it_goes_where_the_search_path_leads(output: dict[str, Any]) -> None:
    with manager(output, search_path="main") as connections:
        assert value(connections, "select vector_dims(cast('[1,2]' as vector))") == 2
    assert execute(output, WHERE) == [("main",)]


def test_once_per_process_and_database(output: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ensure = extension._ensure
    monkeypatch.setattr(extension, "_ensure", lambda *given: (asked.append(1), ensure(*given)))
    with manager(output) as connections:
        for _ in range(3):
            assert value(connections, "select 1") == 1
            connections.release()
            connections.set_connection_name("another")
    assert len(asked) == 1


def test_many_at_once(output: dict[str, Any]) -> None:
    start, errors = threading.Barrier(6), []

    def create() -> None:
        with connected(output) as connection:
            start.wait()
            try:
                extension._ensure(connection.cursor(), credentials(output))
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_role_that_may_not_create_it(stranger: dict[str, Any]) -> None:
    said = refusal(stranger)
    assert f'the database "{stranger["dbname"]}" does not have the extension vector' in said
    assert said.endswith("Have an administrator run there, once:  create extension vector;")
    execute({**stranger, "user": "postgres"}, "create extension vector schema public")
    with manager(stranger) as connections:
        assert value(connections, "select to_regtype('vector') is not null")


def test_a_server_without_it(output: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "AVAILABLE", "select true where false")
    said = refusal(output)
    assert "does not have the extension vector. Install pgvector there" in said


def test_a_schema_that_is_not_on_the_search_path(output: dict[str, Any], stranger: dict[str, Any]) -> None:
    execute(output, "create schema extensions")
    execute(output, "create extension vector schema extensions")
    assert refusal(output).endswith(
        'is in the schema "extensions", which is not on the search_path (main, public). '
        "Write into the output of profiles.yml:  search_path: 'main, public, extensions'"
    )
    assert f'grant usage on schema "extensions" to "{stranger["user"]}";' in refusal(stranger)
    with manager(output, search_path="main, public, extensions") as connections:
        assert value(connections, "select to_regtype('vector') is not null")
