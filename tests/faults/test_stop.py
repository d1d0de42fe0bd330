"""Ctrl-C, an encoder that fails, several threads, a second dbt on the same file."""

from __future__ import annotations

import json
import re
import signal

from faults.processes import wait_for
from faults.servers import own_locks, sessions, until


def test_ctrl_c_and_a_second_dbt(slow) -> None:
    slow.source(3000)
    process = slow.start("run", SLOW_SECONDS="0.01")
    wait_for(lambda: len(slow.calls()) >= 2, process)

    if slow.project.engine == "duckdb":  # A served database lets the second one in: test_postgres_two_runs.py
        second = slow.run()
        assert not second.ok
        assert "lock" in second.output.lower()
        assert process.poll() is None, "the second dbt disturbed the first"

    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[0]
    # One call of about a second may be under way when the signal comes.
    assert len(slow.calls()) == len(slow.calls("begin"))
    assert process.returncode not in (0, None), output
    # dbt prints the KeyboardInterrupt of its own main thread; nothing of ours may come with it.
    assert output.count("Traceback") == 1, output
    assert "python/samespace/" not in output, output
    assert re.search(r"CANCEL query model\.scratch\.texts", output), output
    assert "the vectors made so far are kept" in output, output

    encoded = slow.encoded()
    assert 100 <= len(encoded) < 3000
    if slow.project.engine == "pgvector":  # dbt ends the session: the last call's vectors have nowhere to go
        encoded = [text for call in slow.calls()[:-1] for text in call]
        assert set(encoded) <= set(slow.cached()) <= set(slow.encoded())
        until(lambda: sessions(slow) == 0)
        assert own_locks(slow) == []
    else:
        assert sorted(slow.cached()) == sorted(encoded)
    assert "main.texts" not in slow.tables()


def test_an_encoder_that_fails_on_one_text(slow) -> None:
    slow.source(300, "'text number ' || (1000 + n)")
    outcome = slow.run(SLOW_FAILS_ON="text number 1234")
    assert not outcome.ok
    assert "Traceback" not in outcome.output
    message = " ".join(outcome.output.split())
    assert re.search(
        r"samespace: slow@\w{8} could not embed the text of texts with id 234: "
        r"RuntimeError: the model does not like this text\. The table is as it was; the vectors made so "
        r"far are kept\.",
        message,
    ), outcome.output
    assert "main.texts" not in slow.tables()
    kept = slow.cached()
    assert kept
    assert len(kept) == len(set(kept))

    slow.forget_calls()
    outcome = slow.run("--fail-fast")
    assert outcome.ok, outcome.output
    assert len(slow.encoded()) == 300 - len(kept)
    assert not set(slow.encoded()) & set(kept)


def test_four_threads_with_overlapping_texts_encode_each_text_once(slow) -> None:
    slow.source(1000, "'text number ' || (n % 700)")
    (slow.project.root / "models" / "texts.sql").unlink()
    for number in range(4):
        slow.project.write(
            f"models/texts_{number}.sql",
            (
                "{{ config(materialized='embedding', model='slow', key='id', text='body') }}\n"
                f"select id, body from raw_texts where id between {number} * 150 and {number} * 150 + 500\n"
            ),
        )
    outcome = slow.run("--threads", "4", SLOW_SECONDS="0.001")
    assert outcome.ok, outcome.output
    encoded = slow.encoded()
    assert len(encoded) == len(set(encoded)) == 700
    assert sorted(slow.cached()) == sorted(encoded)
    embedded = slow.project.query("select sum(embedded), sum(distinct_texts) from samespace.embedding_runs")
    assert embedded[0][0] == 700 < embedded[0][1]
    for number in range(4):
        assert slow.project.query(f"select count(*), count(embedding) from texts_{number}") == [(501, 501)]


def test_other_weights_are_refused_and_a_page_of_nonsense_too(slow) -> None:
    slow.project.query("create table raw_texts as select 1 as id, 'first' as body")
    assert slow.run().ok
    slow.project.query("insert into raw_texts values (2, 'second')")
    outcome = slow.run(SLOW_SALT="other weights")
    assert not outcome.ok
    assert "is not what is registered as slow@" in outcome.output
    assert "mean cosine" in outcome.output
    assert slow.cached() == ["first"]
    assert slow.project.query("select id from texts") == [(1,)]


def test_json_logs_stay_json(slow) -> None:
    slow.project.query("create table raw_texts as select 1 as id, 'only' as body")
    outcome = slow.run("--log-format", "json")
    assert outcome.ok, outcome.output
    for line in outcome.output.splitlines():
        json.loads(line)
