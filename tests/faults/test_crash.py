"""kill -9, in the pump and in the swap: the old table and kept vectors stay, the next run goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.processes import wait_for
from faults.servers import own_locks, running, sessions, until

OLD, NEW = 10, 900
TABLES = {
    "main.raw_texts",
    "main.texts",
    "samespace.embedding_models",
    "samespace.embedding_relations",
    "samespace.embedding_runs",
}
FOREVER = {
    "duckdb": "select count(*) from range(1000000) as a, range(1000000) as b where a.range * b.range = -1",
    # A backend ends with its client only when its statement does.
    "pgvector": "select pg_sleep(3)",
}


def old_table(slow) -> list[tuple]:
    return slow.project.query("select id, body, model_id, content_hash, embedding from texts order by id")


def only_own_tables(slow) -> bool:
    return {name for name in slow.tables() if not name.startswith("samespace.embedding_cache_")} == TABLES


def kill(slow, process) -> None:
    process.kill()
    process.communicate()
    if slow.project.engine == "pgvector":
        until(lambda: sessions(slow) == 0)
        assert own_locks(slow) == []


def in_the_transaction(slow, marker) -> Callable[[], bool]:
    """Whether the post-hook of texts is under way."""
    if slow.project.engine == "duckdb":
        return marker.exists
    return lambda: running(slow, "pg_sleep(3)")


def test_killed_twice_in_the_pump_then_completed(slow) -> None:
    slow.source(OLD)
    assert slow.run().ok
    before = old_table(slow)
    assert len(before) == OLD

    slow.source(NEW)
    kept: list[str] = slow.cached()
    for _ in range(2):
        slow.forget_calls()
        process = slow.start("run", SLOW_SECONDS="0.01")
        wait_for(lambda: len(slow.calls()) >= 3, process)
        kill(slow, process)
        now = slow.cached()
        assert not set(slow.encoded()) & set(kept), "a kept text was embedded again"
        finished = [text for call in slow.calls()[:-1] for text in call]
        assert set(kept) | set(finished) <= set(now), "a finished call was lost"
        assert len(now) == len(set(now))
        assert len(now) >= len(kept) + 100
        assert old_table(slow) == before
        assert only_own_tables(slow)
        kept = now

    slow.forget_calls()
    outcome = slow.run()
    assert outcome.ok, outcome.output
    assert sorted(slow.encoded()) == sorted({f"text number {n}" for n in range(NEW)} - set(kept))
    assert sorted(slow.cached()) == sorted(f"text number {n}" for n in range(NEW))
    assert slow.project.query("select count(*), count(distinct id), count(embedding) from texts") == [
        (NEW,) * 3
    ]
    assert only_own_tables(slow)


@pytest.mark.parametrize("refresh", [[], ["--full-refresh"]], ids=["merge", "swap"])
def test_killed_in_the_transaction_that_changes_the_table(slow, refresh: list[str]) -> None:
    slow.source(OLD)
    assert slow.run().ok
    before = old_table(slow)
    recorded = slow.project.query("select * from samespace.embedding_relations")

    slow.source(NEW)
    model, marker = slow.project.root / "models" / "texts.sql", slow.project.root / "in_phase_c.csv"
    calm = model.read_text()
    hooks = [f"copy (select 1) to '{marker}'"] if slow.project.engine == "duckdb" else []
    hooks.append(FOREVER[slow.project.engine])
    model.write_text(calm.replace("text='body'", f"text='body', post_hook={hooks!r}"))
    process = slow.start("run", *refresh)
    wait_for(in_the_transaction(slow, marker), process)
    kill(slow, process)
    assert old_table(slow) == before
    assert slow.project.query("select * from samespace.embedding_relations") == recorded
    assert only_own_tables(slow)
    assert len(slow.cached()) == NEW

    model.write_text(calm)
    slow.forget_calls()
    outcome = slow.run(*refresh)
    assert outcome.ok, outcome.output
    assert slow.encoded() == []
    assert len(old_table(slow)) == NEW
    assert only_own_tables(slow)
