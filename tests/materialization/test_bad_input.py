# ruff: noqa: E501  # sentences are quoted as they are printed
"""Every kind of bad input: what is said, and that table and cache are what they were.

Many models share two runs: one on good rows, one on bad rows. dbt goes on after a model that fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from catalog import cache_tables, floats
from counting import COUNTING, CountedProject
from targets import Target

GOOD = [{"id": number, "body": f"ticket number {number}"} for number in range(1, 4)]


def with_row(body: str | None, number: int = 9) -> list[dict[str, Any]]:
    return [*GOOD, {"id": number, "body": body}]


# name: (rows of the second run, config, what the error says)
REFUSED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "duplicate_keys": (
        [{"id": number // 2, "body": f"text {number}"} for number in range(14)], {},
        r"the key 'id' of duplicate_keys must be unique and not NULL; found 0 \(2 rows\), 1 \(2 rows\), 2 \(2 rows\), "
        r"3 \(2 rows\), 4 \(2 rows\)\. The table is as it was\. Deduplicate in the select",
    ),
    "null_key": (
        [{"id": 1, "body": "x"}, {"id": None, "body": "y"}], {},
        r"the key 'id' of null_key must be unique and not NULL; found NULL \(1 row\)\.",
    ),
    "empty_source": (
        [], {},
        r"the select of empty_source returns no rows, and the table has some\. It is left as it was\. Set allow_empty: true",
    ),
    "not_a_number": (
        with_row("this gives a NaN"), {},
        r"count@\w{8} returned a vector of NaN, infinity or only zeros for 1 text\(s\), first for the text of "
        r"not_a_number with id 9 \(content_hash [0-9a-f]{64}\)\. None of them was stored; the table is as it was\.",
    ),
    "infinite": (with_row("this gives an infinity"), {}, r"a vector of NaN, infinity or only zeros for 1 text"),
    "zero": (with_row("this gives all zeros"), {}, r"a vector of NaN, infinity or only zeros for 1 text"),
    "short_vector": (
        with_row("one number less"), {},
        r"count@\w{8} returned an array of shape \(1, 7\); expected \(1, 8\): one vector per text, of the dimension in its spec",
    ),
    "permanent_error": (
        with_row("please make it fail"), {},
        r"count@\w{8} could not embed the text of permanent_error with id 9: ValueError: the vendor says no\. "
        r"The table is as it was; the vectors made so far are kept\.",
    ),
    "too_large": (
        with_row("this is always too large"), {},
        r"count@\w{8} ran out of memory on the text of too_large with id 9: MemoryError: no room for these texts",
    ),
}  # fmt: skip
# How dbt spells the engines' types in the sentences below.
TYPES = {
    "duckdb": {"integer": "INTEGER", "double": "DOUBLE", "timestamp": "TIMESTAMP WITH TIME ZONE", "json": "JSON"},
    "pgvector": {"integer": "INTEGER", "double": "FLOAT", "timestamp": "DATETIMETZ", "json": "JSON"},
}  # fmt: skip
# name: (select, config, what the error says); these fail whatever the rows are
IMPOSSIBLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "an_integer": ("select 1 as id, 2 as body", {}, r"text='body' is of type <integer>; engines print such values differently, "
                   r"so cast it yourself: cast\(body as varchar\) as body"),
    "a_double": ("select 1 as id, cast(2.5 as double precision) as body", {}, r"text='body' is of type <double>;"),
    "a_timestamp": ("select 1 as id, now() as body", {}, r"text='body' is of type <timestamp>;"),
    "a_json": ("""select 1 as id, '{"a": 1}'::json as body""", {}, r"text='body' is of type <json>;"),
    "reserved": (
        "select 1 as id, 'x' as body, 2 as Model_ID, 3 as content_hash, 4 as embedding", {},
        r"already has a column 'model_id', which samespace adds; rename it.*a column 'content_hash'.*a column 'embedding'",
    ),
    "no_such_column": (
        "select 1 as nr, 'x' as t", {},
        r"key='id' is not a column of the select; it has: nr, t.*text='body' is not a column of the select",
    ),
    "unknown_model": ("select 1 as id, 'x' as body", {"model": "nobody"},
                      r"there is no model 'nobody' in the var samespace_models; known models: .*count"),
    "bad_options": (
        "select 1 as id, 'x' as body", {"role": "passage", "cache": "no", "page_rows": 0, "key": ["a", "b"], "model": []},
        r'key is \["a", "b"\]; expected the name of one column.*role is \'passage\'; expected document or query.*'
        r'cache is "no"; expected true or false.*page_rows is 0; expected a whole number.*'
        r"model is \[\]; expected the name of a model, or a list of different names, out of: .*count",
    ),
    "two_dimensions": ("select 1 as id, 'x' as body", {"model": ["count", "wide"]},
                       r"two_dimensions names models of dimensions 8, 16: one column holds vectors of one length"),
    "unknown_provider": ("select 1 as id, 'x' as body", {"model": "nowhere"},
                         r"nowhere@\w{8}: unknown provider 'acme'\. Known: .*counting.*hashing"),
}  # fmt: skip
BLANK = "\t\n\u000b\u000c\r \u0085\u00a0\u1680\u2003\u200b\u200d\u2028\u202f\u205f\u2060\u3000\ufeff"
ODD = {
    1: "🎉 👍🏽 family 👨‍👩‍👧‍👦", 2: "مرحبا بالعالم \u202eright to left", 3: "before\x00after", 4: "x " * 500_000,
    5: "O'Hara; drop table x; -- {{ jinja }} {% raw %}", 6: BLANK, 7: "", 8: None, 9: " kept ", 10: "kept",
}  # fmt: skip
NO_NUL = "before_after"  # PostgreSQL stores no NUL character: it cannot reach us


def odd_texts(engine: str) -> dict[int, str | None]:
    return ODD if engine == "duckdb" else {**ODD, 3: NO_NUL}


@pytest.fixture(scope="module")
def ran(counted_project: Callable[..., CountedProject], target: Target) -> Any:
    """Good rows, then bad rows; with what table and cache held before and after."""
    made = counted_project("bad", on=target, models={
        "count": COUNTING, "wide": {**COUNTING, "dimension": 16}, "nowhere": {**COUNTING, "provider": "acme"},
        "cut": {**COUNTING, "max_seq_length": 5},
    })  # fmt: skip
    for name, (_, config, _) in REFUSED.items():
        made.table(f"raw_{name}", GOOD)
        made.model(name, f"select * from raw_{name}", **config)
    made.run()
    before = {name: contents(made, name) for name in REFUSED}
    cache = cached(made)
    for name, (rows, _, _) in REFUSED.items():
        made.sql(f"delete from raw_{name}")
        if rows:
            made.table(f"raw_{name}", rows)
    for name, (select, config, _) in IMPOSSIBLE.items():
        made.model(name, select, **config)
    made.table("odd", [{"id": number, "body": text} for number, text in odd_texts(made.engine).items()])
    made.model("odd_texts", "select * from odd", model="cut")
    made.model("odd_texts_all", "select * from odd", model="cut", embed_empty=True)
    outcome = made.dbt("run")
    return made, outcome, before, cache


def contents(project: CountedProject, name: str) -> list[tuple[Any, ...]]:
    return sorted(project.rows(f"select * from {name}"), key=repr)


def cached(project: CountedProject) -> dict[str, set[tuple[Any, ...]]]:
    return {
        name: set(project.rows(f"select role, content_hash, embedding from {name}"))
        for name in cache_tables(project.project)
    }


def said(outcome: Any, name: str) -> str:
    return " ".join(outcome.message(name).split())


@pytest.mark.parametrize("name", REFUSED)
def test_bad_rows_are_refused_and_the_table_stays(ran: Any, name: str) -> None:
    project, outcome, before, _ = ran
    assert re.search(REFUSED[name][2], said(outcome, name)), said(outcome, name)
    assert before[name] == contents(project, name)
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_models_say_why(ran: Any, name: str) -> None:
    project, outcome, _, _ = ran
    expected = IMPOSSIBLE[name][2]
    for kind, spelled in TYPES[project.engine].items():
        expected = expected.replace(f"<{kind}>", spelled)
    assert re.search(expected, said(outcome, name)), said(outcome, name)
    assert not project.exists(name)


def test_the_cache_holds_what_it_held_and_nothing_bad(ran: Any) -> None:
    project, _, _, cache = ran
    now = cached(project)
    assert all(rows <= now[name] for name, rows in cache.items())
    for name in now:
        vectors = [floats(vector) for (vector,) in project.rows(f"select embedding from {name}")]
        assert all(abs(sum(x * x for x in vector) - 1) < 1e-5 for vector in vectors)


def test_odd_texts_are_embedded_or_left_without_a_vector(ran: Any) -> None:
    project, outcome, _, _ = ran
    assert outcome.message("odd_texts") == "EMBED 7 new, 0 cached, 3 null, 2 truncated"
    vectors = dict(project.rows("select id, embedding is not null from odd_texts order by id"))
    assert [number for number, there in vectors.items() if not there] == [6, 7, 8]
    texts = dict(project.rows("select id, body from odd_texts"))
    assert texts == odd_texts(project.engine)
    assert project.rows("select count(distinct embedding) from odd_texts") == [(7,)]
    assert re.search(r"2 of 7 texts of odd_texts were cut at 5 tokens", " ".join(outcome.output.split()))


def test_empty_texts_are_embedded_where_asked(ran: Any) -> None:
    _, outcome, _, _ = ran
    assert outcome.message("odd_texts_all") == "EMBED 2 new, 7 cached, 1 null, 2 truncated"


def test_an_empty_source_may_empty_the_table_where_asked(ran: Any) -> None:
    project = ran[0]
    project.model("empty_source", "select * from raw_empty_source", allow_empty=True)
    assert project.project.dbt("run", "--select", "empty_source", env=project.environment).ok
    assert contents(project, "empty_source") == []


@pytest.fixture(scope="module")
def flaky(counted_project: Callable[..., CountedProject], target: Target) -> CountedProject:
    """Weights that run out of memory above ten texts, a host that is away twice, and one that stays away."""
    made = counted_project("flaky", on=target)
    models = {
        "small": {**COUNTING, "version": "small", "load_from": made.weights("small", max_texts=40)},
        "away": {**COUNTING, "version": "away", "load_from": made.weights("away", down=2)},
        "gone": {**COUNTING, "version": "gone", "load_from": made.weights("gone", down=99)},
    }
    made.configure(models)
    rows = [{"id": number, "body": f"come back {number}"} for number in range(100)]
    made.table("raw", rows)
    for name in models:
        made.model(name, "select * from raw", model=name, page_rows=64)
    made.dbt("run")
    return made


def test_a_page_too_large_for_memory_is_halved(flaky: CountedProject) -> None:
    assert flaky.runs("small", "embedded") == (100,)
    # One call of more than forty texts fails; none is larger than half of it from then on.
    assert 140 < len(flaky.counted("small")) <= 164
    assert len(set(flaky.counted("small"))) == 100
    assert flaky.rows("select count(distinct embedding) from small") == [(100,)]


def test_a_host_that_comes_back_is_waited_for(flaky: CountedProject) -> None:
    assert flaky.runs("away", "embedded") == (100,)
    assert len(flaky.counted("away")) == 2 * 16 + 100


def test_a_host_that_stays_away_is_an_error(flaky: CountedProject) -> None:
    message = next(r["message"] for r in flaky.project.read_results() if r["unique_id"].endswith(".gone"))
    assert re.search(
        r"gone@\w{8} failed 5 times in a row for gone: the host is away\. The table is as it was", message
    )
    assert not flaky.exists("gone")
