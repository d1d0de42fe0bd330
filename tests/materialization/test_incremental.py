"""What is embedded, and what is not: by ``embedding_runs``, and by what the encoder was handed."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalog import exists, floats
from counting import COUNTING, CountedProject
from targets import Target

ROWS = [
    {"id": 1, "subject": "a", "body": "the parcel is late"},
    {"id": 2, "subject": "b", "body": "the parcel is late"},
    {"id": 3, "subject": "c", "body": "cannot log in"},
    {"id": 4, "subject": "d", "body": None},
    {"id": 5, "subject": "e", "body": "my card was charged twice"},
    {"id": 6, "subject": "f", "body": "goodbye"},
]
SPY = """
import atexit, os, sys
if os.environ.get("SPY"):
    file = os.path.join(os.environ["SPY"], str(os.getpid()))
    atexit.register(lambda: open(file, "w").write("\\n".join(sys.modules)))
"""


@pytest.fixture(scope="module")
def tickets(counted_project: Callable[..., CountedProject], target: Target) -> CountedProject:
    """Built once, changed test by test, in the order of this file."""
    made = counted_project("incremental", on=target)
    made.table("raw", ROWS)
    made.model("emb", "select * from raw")
    made.run()
    return made


def statements(project: CountedProject, table: str = "emb") -> list[str]:
    """What the last run wrote to a table: the SQL of every insert, update and delete, on one line each."""
    log = (project.project.root / "logs" / "dbt.log").read_text().rpartition("Running with dbt")[2]
    flat = " ".join(log.split())
    return re.findall(rf"(?:insert into|update|delete from) \S*\"{table}\" .*?(?= \d\d:\d\d:\d\d\.)", flat)


def test_repeated_texts_are_embedded_once(tickets: CountedProject) -> None:
    assert sorted(tickets.counted()) == sorted({row["body"] for row in ROWS if row["body"]})
    assert tickets.runs("emb") == (4, 0, 0, 0, 1)
    assert tickets.rows("select count(*), count(embedding) from emb") == [(6, 5)]
    assert tickets.rows("select count(distinct embedding) from emb where id in (1, 2)") == [(1,)]
    vectors = tickets.rows("select embedding from emb where embedding is not null")
    assert all(abs(sum(x * x for x in floats(vector)) - 1) < 1e-5 for (vector,) in vectors)


def test_only_changed_texts_are_embedded_and_only_changed_rows_touched(tickets: CountedProject) -> None:
    tickets.sql(
        "update raw set subject = 'other' where id = 1",
        "update raw set body = 'my card was charged three times' where id = 5",
        "delete from raw where id = 6",
        "insert into raw values (7, 'g', 'a new ticket'), (8, 'h', 'cannot log in')",
    )
    outcome = tickets.run()
    assert outcome.message("emb") == "EMBED 2 new, 2 cached, 1 updated, 1 removed, 1 null"
    assert sorted(tickets.counted()) == ["a new ticket", "my card was charged three times"]
    assert tickets.runs("emb") == (2, 2, 1, 1, 1)
    assert tickets.rows("select id, subject, body from emb order by id") == tickets.rows(
        "select * from raw order by id"
    )
    deleted, updated, replaced, inserted = statements(tickets)
    assert deleted.startswith("delete") and replaced.startswith("update") and inserted.startswith("insert")
    assert re.search(r" set .*\"subject\" = .* where ", updated) and "embedding" not in updated


def test_a_run_with_nothing_to_do_imports_no_numeric_library(tickets: CountedProject, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SPY)
    path = os.pathsep.join([str(tmp_path), tickets.environment["PYTHONPATH"]])
    outcome = tickets.run(env={"PYTHONPATH": path, "SPY": str(tmp_path)}, fresh=True)
    assert outcome.message("emb") == "EMBED 0 new, 4 cached, 1 null"
    assert tickets.counted() == [] and statements(tickets) == []
    processes = [
        set(file.read_text().splitlines())
        for file in tmp_path.iterdir()
        if file.suffix != ".py" and file.is_file()
    ]
    (loaded,) = [modules for modules in processes if "samespace.pump" in modules]
    assert not loaded & {"torch", "numpy", "pyarrow", "pandas", "sklearn", "onnxruntime", "counting_provider"}


def test_a_full_refresh_pays_for_nothing(tickets: CountedProject) -> None:
    outcome = tickets.run("--full-refresh")
    assert outcome.message("emb") == "EMBED 0 new, 4 cached, 1 null"
    assert tickets.counted() == []


def test_a_renamed_model_pays_for_nothing(tickets: CountedProject) -> None:
    tickets.configure({"renamed": COUNTING})
    tickets.model("emb", "select * from raw", model="renamed")
    assert tickets.run().message("emb") == "EMBED 0 new, 4 cached, 7 removed, 1 null"
    assert tickets.counted() == []
    names = tickets.rows("select distinct split_part(model_id, '@', 1) from emb")
    assert names == [("renamed",)]
    tickets.configure({"count": COUNTING})
    tickets.model("emb", "select * from raw")
    tickets.run()


def test_a_dropped_schema_is_rebuilt_from_the_table(tickets: CountedProject) -> None:
    tickets.sql("drop schema samespace cascade")
    assert tickets.run().message("emb") == "EMBED 0 new, 4 cached, 1 null"
    # The model had to prove, on texts of the table, that it made the vectors there.
    assert len(tickets.counted()) == 4
    assert tickets.rows("select count(*) from samespace.embedding_models") == [(1,)]
    assert tickets.rows("select count(*) from samespace.embedding_relations") == [(1,)]


def test_a_dropped_schema_and_other_weights_are_refused(tickets: CountedProject) -> None:
    tickets.sql("drop schema samespace cascade")
    before = tickets.rows("select * from emb order by id")
    tickets.configure({"count": {**COUNTING, "load_from": tickets.weights("foreign", seed=9)}})
    outcome = tickets.dbt("run")
    assert "does not reproduce them: 4 texts agree with a mean cosine of" in " ".join(outcome.output.split())
    assert tickets.rows("select * from emb order by id") == before
    assert tickets.rows("select count(*) from samespace.embedding_models") == [(0,)]
    tickets.configure({"count": COUNTING})
    tickets.run()


def test_a_version_bump_embeds_again(tickets: CountedProject) -> None:
    tickets.configure({"count": {**COUNTING, "version": 2}})
    assert tickets.run().message("emb") == "EMBED 4 new, 0 cached, 7 removed, 1 null"
    assert len(tickets.counted()) == 4
    runs = tickets.rows(
        "select rows, embedded, removed from samespace.embedding_runs "
        "order by finished_at desc, removed limit 2"
    )
    assert sorted(runs) == [(0, 0, 7), (7, 4, 0)]


def test_without_cache_the_table_itself_is_the_memory(tickets: CountedProject) -> None:
    tickets.configure({"count": {**COUNTING, "version": 3}})
    tickets.model("emb", "select * from raw", cache=False)
    tickets.run()
    assert len(tickets.counted()) == 4
    tickets.sql("update raw set body = 'quite new' where id = 3")
    assert tickets.run().message("emb").startswith("EMBED 1 new, 4 cached")
    assert tickets.counted() == ["quite new"]
    digest = tickets.rows(
        "select digest from samespace.embedding_models order by first_used_at desc limit 1"
    )[0][0]
    assert not exists(tickets.project, f"embedding_cache_{digest}", "samespace")


def test_ten_changed_five_deleted_seven_added_of_a_real_table(
    counted_project: Callable[..., CountedProject], shared_data: Path, target: Target
) -> None:
    models = {"count": COUNTING, "count2": {**COUNTING, "version": 2}}
    made = counted_project("banking", on=target, models=models)
    with (shared_data / "b_intents_banking77.csv").open() as file:
        rows = list(csv.DictReader(file))
    made.table("raw", [{"id": row["ticket_id"], "body": row["text"], "subject": "x"} for row in rows])
    made.model("banking", "select * from raw", model=["count", "count2"])
    made.run()
    distinct = len({row["text"] for row in rows})
    assert runs_of(made) == [(len(rows), distinct, distinct, 0, 0, 0)] * 2
    made.sql(
        "create temp table picked as select id, row_number() over (order by md5(id)) as n from raw;"
        "update raw set body = body || ' changed ' || id where id in (select id from picked where n <= 10);"
        "delete from raw where id in (select id from picked where n between 11 and 15);"
        "insert into raw select 'new-' || i, 'a text never seen before, number ' || i, 'x' "
        "from generate_series(0, 6) as t(i)"
    )
    made.run()
    assert [(run[0], run[2], run[4], run[5]) for run in runs_of(made)] == [(len(rows) + 2, 17, 5, 0)] * 2
    assert len(made.counted("count")) == len(made.counted("count2")) == 17
    made.run()
    assert [run[2] for run in runs_of(made)] == [0, 0]
    assert made.counted() == []
    made.sql("update raw set subject = 'y' where id in (select id from raw order by md5(id) limit 10)")
    made.run()
    assert [(run[2], run[4], run[5]) for run in runs_of(made)] == [(0, 0, 10)] * 2
    assert made.counted() == []
    assert made.rows("select count(*) from banking where subject = 'y'") == [(20,)]


def runs_of(project: CountedProject) -> list[tuple[Any, ...]]:
    return project.rows(
        "select rows, distinct_texts, embedded, cached, removed, updated from samespace.embedding_runs "
        "where invocation_id = (select invocation_id from samespace.embedding_runs "
        "order by finished_at desc limit 1)"
    )
