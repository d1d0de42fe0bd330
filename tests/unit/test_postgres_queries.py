"""Query texts on PostgreSQL: embedded once, kept, never waiting for a fill, also for who may only read."""

from __future__ import annotations

import json
import threading
from typing import Any

import databases
import numpy as np
import pytest
from job_connection import (
    SPEC,
    Connection,
    Toy,
    cached,
    fill,
    fresh_encoder,
    is_complete,
    request,
    stage,
    vector,
)  # fmt: skip
from samespace._pace import Pace
from samespace.io.postgres_jobs import JOBS


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> Toy:
    return fresh_encoder(monkeypatch)


def test_a_query_text_does_not_wait_for_a_long_fill(
    output: dict[str, Any], connection: Connection, encoder: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread asks between two calls of the fill, for a text that the fill is about to write."""
    answers: list[dict[str, Any]] = []
    other = Connection(output)

    def search(pace: Pace, texts: int, seconds: float) -> None:
        if not answers:
            ask = request(spec=SPEC, text=encoder.texts[-1])
            thread = threading.Thread(target=lambda: answers.append(JOBS["query_vector"](other, ask)))
            thread.start()
            thread.join(20)
            assert answers

    monkeypatch.setattr(Pace, "took", search)
    stage(connection, 1, 300)
    (row,) = fill(connection)
    assert row["message"] is None
    assert answers[0]["error"] is None
    other.close()
    assert is_complete(output, 300)


def test_query_vectors(output: dict[str, Any], connection: Connection, encoder: Toy) -> None:
    ask = request(spec=SPEC, text="cannot log in")
    for _ in range(2):
        answer = JOBS["query_vector"](connection, ask)
        assert answer["error"] is None
        found = np.array(json.loads(answer["vector"]), np.float32)
        assert found.tolist() == vector("cannot log in").tolist()
        assert connection.handle.info.transaction_status == 0
    assert encoder.texts == ["cannot log in"]
    answer = JOBS["query_vector"](connection, "{}")
    assert answer["error"].startswith("samespace: the request of the dbt package")

    def fail(texts: list[str]) -> None:
        raise ValueError("no\nway")

    encoder.happens = fail
    answer = JOBS["query_vector"](connection, request(spec=SPEC, text="another"))
    assert answer == {"vector": None, "error": "samespace: toy@aaaaaaaa: ValueError: no way."}
    assert len(cached(output)) == 1


def test_a_role_that_only_reads_may_search(output: dict[str, Any], encoder: Toy) -> None:
    builder = Connection(output)
    databases.execute(output, "drop role if exists just_reads")
    databases.execute(output, "create role just_reads login")
    stage(builder, 1, 3)
    fill(builder, grants={"build": [], "read": ["just_reads"]})
    reader = Connection(output, user="just_reads")
    for text in ("text 1", "not there yet"):
        answer = JOBS["query_vector"](reader, request(spec=SPEC, text=text))
        assert answer["error"] is None
        assert json.loads(answer["vector"]) == pytest.approx(vector(text).tolist())
    assert len(cached(output)) == 3
    builder.close()
    reader.close()
