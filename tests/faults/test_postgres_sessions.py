"""Sessions that an administrator ends, a server that restarts, a disk that is full."""

from __future__ import annotations

import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import create_database
from faults.processes import Slow, wait_for
from faults.servers import OwnServer, end_sessions, own_locks, running, sessions, until

OLD, NEW = 10, 900
# An encoder call lasts about a second, so it has about this many texts.
CALL = 110
LOST = "texts: the connection to the database was lost"


@pytest.fixture
def slow(make_slow: Callable[..., Slow]) -> Slow:
    return make_slow(create_database("sessions"))


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    # Not in a folder of pytest's: for root the server runs under another account, which those lock out.
    with tempfile.TemporaryDirectory(prefix="samespace-restart-", ignore_cleanup_errors=True) as folder:
        server = OwnServer.begin(Path(folder))
        yield server
        server.host.stop()


def held(slow: Slow) -> list[tuple]:
    return slow.project.query("select id, body, model_id, content_hash, embedding from texts order by id")


def repeats(slow: Slow) -> int:
    """How many texts the encoder was handed more than once."""
    encoded = slow.encoded()
    return len(encoded) - len(set(encoded))


def complete(slow: Slow) -> None:
    assert sorted(slow.cached()) == sorted(f"text number {n}" for n in range(NEW))
    assert slow.project.query("select count(*), count(distinct id), count(embedding) from texts") == [
        (NEW,) * 3
    ]
    assert {name.split(".")[0] for name in slow.tables()} == {"main", "samespace"}
    assert {name for name in slow.tables() if name.startswith("main.")} == {"main.raw_texts", "main.texts"}
    until(lambda: sessions(slow) == 0)
    assert own_locks(slow) == []


def test_sessions_ended_in_the_pump_and_the_run_goes_on(slow: Slow) -> None:
    slow.source(OLD)
    assert slow.run().ok
    before = held(slow)
    slow.source(NEW)
    slow.forget_calls()
    process = slow.start("run", SLOW_SECONDS="0.01")
    for _ in range(2):
        seen = len(slow.calls())
        wait_for(lambda seen=seen: len(slow.calls()) > seen + 1, process)
        assert end_sessions(slow)
        assert held(slow) == before
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.count(LOST) == 2, output
    assert "Traceback" not in output
    assert repeats(slow) <= 2 * CALL
    assert f"EMBED {NEW - OLD} new, {OLD} cached" in output
    complete(slow)


def test_a_session_ended_in_the_merge(slow: Slow) -> None:
    slow.source(OLD)
    assert slow.run().ok
    before, recorded = held(slow), slow.project.query("select * from samespace.embedding_relations")
    slow.source(NEW)
    model = slow.project.root / "models" / "texts.sql"
    calm = model.read_text()
    model.write_text(calm.replace("text='body'", "text='body', post_hook='select pg_sleep(30)'"))
    process = slow.start("run")
    wait_for(lambda: running(slow, "pg_sleep(30)"), process)
    assert end_sessions(slow)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1, output
    # Which of the two depends on whether the server's last word arrived.
    assert re.search("terminating connection|server closed the connection", output), output
    assert "Traceback" not in output
    assert held(slow) == before
    assert slow.project.query("select * from samespace.embedding_relations") == recorded
    assert len(slow.cached()) == NEW
    model.write_text(calm)
    slow.forget_calls()
    outcome = slow.run()
    assert outcome.ok, outcome.output
    assert outcome.message("texts") == f"EMBED 0 new, {NEW} cached"
    assert slow.encoded() == []
    complete(slow)


def test_a_server_that_restarts(make_slow: Callable[..., Slow], own_server: OwnServer) -> None:
    slow = make_slow(create_database("restart", host=own_server.host))
    slow.source(OLD)
    assert slow.run().ok
    before = held(slow)
    slow.source(NEW)
    slow.forget_calls()
    process = slow.start("run", SLOW_SECONDS="0.01")
    wait_for(lambda: len(slow.calls()) >= 3, process)
    own_server.stop_at_once()
    time.sleep(3)
    assert process.poll() is None, process.communicate()[0]
    own_server.start_again()
    kept = slow.cached()
    assert len(kept) >= OLD + CALL
    assert held(slow) == before
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert output.count(LOST) == 1, output
    assert "Traceback" not in output
    assert repeats(slow) <= CALL
    complete(slow)

    slow.source(NEW + 500)
    process = slow.start("run", SLOW_SECONDS="0.01")
    wait_for(lambda: len(slow.calls()) >= 12, process)
    own_server.stop_at_once()
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    stopped = process.communicate(timeout=20)[0]
    assert process.returncode != 0, stopped
    own_server.start_again()
    assert len(held(slow)) == NEW
    assert own_locks(slow) == []


FULL = """
create function full() returns trigger language plpgsql as $$
begin
    if (select count(*) from {cache}) > 300 then
        raise exception using errcode = 'disk_full',
            message = 'could not extend file "base/1/2": No space left on device';
    end if;
    return new;
end $$;
create trigger no_room before insert on {cache} for each row execute function full()
"""


def test_a_full_disk(slow: Slow) -> None:
    slow.source(OLD)
    assert slow.run().ok
    before = held(slow)
    slow.source(NEW)
    (cache,) = {name for name in slow.tables() if name.startswith("samespace.embedding_cache_")}
    slow.project.query(FULL.format(cache=cache))
    outcome = slow.run(SLOW_SECONDS="0.002")
    assert not outcome.ok
    message = " ".join(outcome.message("texts").split())
    assert "samespace: texts: " in message and "No space left on device" in message, message
    assert "The table is as it was" in message and "are kept" in message, message
    assert "Traceback" not in outcome.output
    assert held(slow) == before
    kept = slow.cached()
    assert len(kept) >= 100
    slow.project.query("drop function full cascade")
    slow.forget_calls()
    outcome = slow.run()
    assert outcome.ok, outcome.output
    assert not set(slow.encoded()) & set(kept)
    complete(slow)
