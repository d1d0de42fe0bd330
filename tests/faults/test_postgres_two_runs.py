"""Several `dbt run` at once on one database, and how many connections a run needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from databases import create_database, execute
from faults.processes import EMBEDDED, Slow
from faults.servers import own_locks, sessions

SCHEMAS = ("dev", "prod", "lab")


@pytest.fixture
def output() -> dict[str, Any]:
    return create_database("two_runs")


def test_three_first_runs_at_once(make_slow: Callable[..., Slow], output: dict[str, Any]) -> None:
    """They share registry and cache, and none of the tables is there yet."""
    made = [make_slow({**output, "schema": schema}, schema) for schema in SCHEMAS]
    made[0].source(900)
    for place, slow in enumerate(made):
        some = f"where id between {200 * place} and {200 * place + 499}"
        slow.project.write("models/texts.sql", f"{EMBEDDED}select id, body from raw_texts {some}")
    running = [slow.start("run", SLOW_SECONDS="0.01") for slow in made]
    outputs = [process.communicate(timeout=180)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    assert len(made[0].encoded()) == len(set(made[0].encoded())) == 900
    assert sorted(made[0].cached()) == sorted(f"text number {n}" for n in range(900))
    waited = "waiting for another run that fills slow@"
    assert sum(waited in printed for printed in outputs) >= 2, outputs
    assert not any("[WARNING]" in printed or "Traceback" in printed for printed in outputs), outputs
    for schema in SCHEMAS:
        assert execute(output, f"select count(*), count(embedding) from {schema}.texts") == [(500, 500)]
    recorded = "select schema_name, rows from samespace.embedding_relations order by 1"
    assert execute(output, recorded) == [(schema, 500) for schema in sorted(SCHEMAS)]
    assert execute(output, "select count(*) from samespace.embedding_models") == [(1,)]
    runs = "select count(*), sum(embedded), sum(cached) from samespace.embedding_runs"
    assert execute(output, runs) == [(3, 900, 600)]
    assert own_locks(made[0]) == []


def test_four_threads_take_no_more_connections_than_threads(
    make_slow: Callable[..., Slow], output: dict[str, Any]
) -> None:
    """The server takes 20, as small managed ones do. No transaction stays open while texts are encoded."""
    execute(output, f'alter database "{output["dbname"]}" set idle_in_transaction_session_timeout = 300')
    slow = make_slow({**output, "threads": 4})
    slow.source(400)
    (slow.project.root / "models" / "texts.sql").unlink()
    for number in range(8):
        some = f"where id between {number * 40} and {number * 40 + 119}"
        slow.project.write(f"models/texts_{number}.sql", f"{EMBEDDED}select id, body from raw_texts {some}")
    process, most = slow.start("run", SLOW_SECONDS="0.005"), 0
    while process.poll() is None:
        most = max(most, sessions(slow))
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert 4 <= most <= 6
    assert len(slow.encoded()) == len(set(slow.encoded())) == 400
