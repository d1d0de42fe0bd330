"""Poolers between us and the server: in transaction mode refused before any work, in session mode used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import databases
import pytest
from job_connection import CACHE, SPEC, Connection, Toy, fill, fresh_encoder, request, stage
from pooler import Pooler
from samespace.io import _pooler
from samespace.io.postgres import PostgresStore
from samespace.io.postgres_jobs import JOBS
from samespace.spec import ModelSpec

REFUSED = "samespace: this connection goes through a pooler in transaction mode"


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> Toy:
    return fresh_encoder(monkeypatch)


@pytest.fixture(params=[1, 5], ids=["one backend", "five backends"])
def size(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def pooled(output: dict[str, Any], size: int) -> Iterator[Any]:
    """Connections through a pooler of a mode."""
    made: list[Any] = []

    def connect(transactions: bool, autocommit: bool = False) -> Connection:
        between = Pooler(output, transactions, size)
        connection = Connection(output, autocommit, host="127.0.0.1", port=between.port)
        made.extend([connection, between])
        return connection

    yield connect
    for thing in made:
        thing.close()


@pytest.mark.parametrize("autocommit", [False, True])
def test_transaction_mode_is_refused_before_anything_is_embedded(
    output: dict[str, Any], pooled: Any, encoder: Toy, autocommit: bool
) -> None:
    connection = pooled(True, autocommit)
    # Alone in the pooler, even temp tables seem to work.
    stage(connection, 1, 20)
    (row,) = fill(connection)
    assert row["message"].startswith(REFUSED)
    assert encoder.texts == []
    assert not databases.execute(output, "select 1 from pg_namespace where nspname = 'samespace'")


def test_a_query_text_is_refused_too(pooled: Any, encoder: Toy) -> None:
    answer = JOBS["query_vector"](pooled(True), request(spec=SPEC, text="hello"))
    assert answer["error"].startswith(REFUSED)
    assert encoder.texts == []


def test_session_mode_works(
    output: dict[str, Any], pooled: Any, encoder: Toy, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With one backend the second session of the probe waits for a turn that does not come.
    monkeypatch.setattr(_pooler, "PROBE_SECONDS", 0.5)
    connection = pooled(False)
    stage(connection, 1, 20)
    (row,) = fill(connection)
    assert (row["message"], row["embedded"]) == (None, 20)
    assert databases.execute(output, f"select count(*) from {CACHE}") == [(20,)]
    assert len(encoder.texts) == 20


def test_a_page_notices_another_backend(output: dict[str, Any]) -> None:
    connection = Connection(output)
    stage(connection, 1, 20)
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(ModelSpec.from_dict(SPEC))
        store.collect_pending("__samespace_stage", "body", cache, "document", 100, 10**9)
        assert len(store.page(1).texts) == 20
        store.session.__dict__["facts"] = type("Facts", (), {"pid": -1})
        with pytest.raises(Exception, match="goes through a pooler in transaction mode"):
            store.page(1)
    connection.close()
