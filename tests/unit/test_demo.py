"""The demo as `make demo` runs it on its own tickets, twice, on every target."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import duckdb
import pytest
from demo_process import Demo, outside, starter
from harness import REPO
from samespace.demo.places import TARGETS
from samespace.demo.tables import WIDTH

pytestmark = [pytest.mark.slow, pytest.mark.real_model]
README = (REPO / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with outside() as made:
        yield made


@pytest.fixture(scope="module")
def start(folder: Path) -> Demo:
    return starter(folder)


@pytest.fixture(scope="module", params=TARGETS)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def demo(start: Demo, engine: str) -> Demo:
    return lambda *arguments: start("-m", "samespace.demo", "--target", engine, *arguments)


@pytest.fixture(scope="module")
def first_on(start: Demo) -> Callable[[str], str]:
    """What the first run on a target printed."""

    @cache
    def printed(engine: str) -> str:
        done = start("-m", "samespace.demo", "--target", engine)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    return printed


@pytest.fixture(scope="module")
def first(first_on: Callable[[str], str], engine: str) -> str:
    return first_on(engine)


def test_it_tells_the_whole_story(first: str) -> None:
    for heading in ("1  Embedded", "2  Duplicates", "3  Clusters", "4  Search", "5  The mistake", "Done in"):
        assert f"\n{heading}" in first
    assert re.search(r"ticket_embeddings +minilm@[0-9a-f]{8} +384 +300 +281 +281 +0 +2 +1 ", first)
    assert "Traceback" not in first
    assert max(map(len, first.split("\nDone in", maxsplit=1)[0].splitlines())) <= WIDTH


def test_the_mistake_is_refused(first: str) -> None:
    said = " ".join(first.split("does not run:")[1].split())
    assert re.match(r"samespace\.search: 'ticket_embeddings' holds minilm@\w{8}", said)
    assert "paraphrase@" in said


def test_the_readme_shows_this_output(first: str) -> None:
    shown = re.search(r"```text\n(.*?)```", README, re.S)
    assert shown
    printed = " ".join(first.split())
    for line in shown[1].splitlines():
        assert " ".join(line.split()) in printed, line


def test_both_databases_tell_the_same_story(first_on: Callable[[str], str]) -> None:
    part = re.compile(r"\n2  Duplicates.*?\n(?=6  |Done in)", re.S)
    stories = [part.search(first_on(engine)) for engine in TARGETS]
    assert all(stories)
    assert len({story[0] for story in stories if story}) == 1


def test_what_to_try_next_works(first: str, start: Demo, engine: str, folder: Path) -> None:
    """The SQL that the demo advises, and a question of one's own, with the server started for each."""
    if engine == "duckdb":
        sql = re.findall(r'duckdb \S+ "(.*)"', first)
        with duckdb.connect(str(folder / "demo.duckdb"), read_only=True) as connection:
            assert [len(connection.execute(query).fetchall()) for query in sql] == [5, 9]
        return
    assert not (folder / "postgres" / "postmaster.pid").exists(), "the server goes on"
    module = ["-m", "samespace.demo.postgres"]
    sql = re.findall(r'make psql SQL="(.*)"', first)
    found = start(*module, "psql", "-XAt", "-c", sql[0])
    assert found.stdout.count("\n") == 5, found.stdout + found.stderr
    question = re.search(r'postgres dbt (show) --inline "(.*)"', first)
    assert question
    command = ["dbt", "--no-use-colors", question[1], "--profiles-dir", ".", "--inline", question[2]]
    shown = start(*module, *command)
    assert shown.stdout.count("minilm@") == 5, shown.stdout + shown.stderr


def test_the_second_run_embeds_nothing(first: str, demo: Demo) -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing new: all 562 vectors" in done.stdout
