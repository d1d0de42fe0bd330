"""The harness of the benchmarks: tables say what results say, ratios point the right way. No timing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import table
from common import _sentences, corpus, report, timing
from common.report import BEST, Goal, Line
from common.tables import seconds, significant
from growth.picture import draw, slope
from harness import REPO

SCRIPTS = sorted((REPO / "benchmarks").glob("bench_*.py"))
LINES = [
    Line("pairs", "theirs", 1, "fp32", 4.0, 2.0, section=BEST),
    Line("pairs", "ours", 2, "bf16", 1.0, 0.5, section=BEST),
]


def test_readme_tables_are_those_of_the_results() -> None:
    names = [str(file.relative_to(REPO)) for file in table.outdated()]
    assert not names, f"out of date: {names}; run `.venv/bin/python benchmarks/table.py`"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script_says_how_it_is_run_and_reports(script: Path) -> None:
    text = script.read_text()
    assert text.startswith('"""'), "a script opens with its question"
    assert "options(" in text, "common.options brings --small"
    name = script.stem.removeprefix("bench_")
    assert "report(" in text and name in text, f"its results are results/{name}.json"


def test_ratio_is_how_many_times_as_fast_or_what_it_costs() -> None:
    faster = report.judged(Goal("pairs", "ours", "theirs", least=4.5, section=BEST), LINES)
    assert (faster["ratio"], faster["met"], faster["threads"]) == (4.0, False, "2 / 1")
    dearer = report.judged(Goal("pairs", "ours", "theirs", most=0.3, by="wall", section=BEST), LINES)
    assert (dearer["ratio"], dearer["met"], dearer["precision"]) == (0.25, True, "bf16 / fp32")


def test_value_goal_needs_no_lines() -> None:
    found = report.judged(Goal("recall@10", value=0.953, least=0.95, unit=""), [])
    assert found["met"] and report.goal_cells(found)[3] == "0.953"


def test_goal_without_its_lines_is_an_error() -> None:
    with pytest.raises(KeyError, match="'ours' at 'pairs' in section ''"):
        report.judged(Goal("pairs", "ours", "theirs", least=2), LINES)


def test_small_run_is_kept_only_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SAMESPACE_BENCH_RESULTS", raising=False)
    assert report.results_folder(True) is None
    assert report.results_folder(False) == REPO / "benchmarks" / "results"
    monkeypatch.setenv("SAMESPACE_BENCH_RESULTS", str(tmp_path))
    goal = Goal("pairs", "ours", "theirs", least=2, section=BEST)
    report.report("x", "Title", LINES, baseline="theirs", goal=[goal, "words"], small=True)
    kept = json.loads((tmp_path / "x.json").read_text())
    assert kept["goals"][0]["ratio"] == 4.0 and kept["aims"] == ["words"]
    assert (tmp_path / "x.md").read_text() in capsys.readouterr().out
    assert table.short_table([kept]).splitlines()[2].split("|")[4].strip() == "**4.00×** as fast"
    assert "results/x.md" in table.long_tables([kept])


def test_headline_prefers_core_seconds_and_drops_distinct_inputs() -> None:
    goals = [
        report.judged(Goal("pairs", "ours", "theirs", least=2, section=BEST, by=by), LINES)
        for by in ("wall", "cpu")
    ]
    distinct = {**goals[0], "section": report.DISTINCT}
    assert table.headline([*goals, distinct]) == goals[1:]
    assert table.headline([goals[0], distinct]) == goals[:1]


def test_page_without_markers_is_an_error() -> None:
    assert table.replaced("a\n<!-- x: y -->\nold\n<!-- /x -->\nb", "x", "new") == (
        "a\n<!-- x: y -->\n\nnew\n\n<!-- /x -->\nb"
    )
    with pytest.raises(ValueError, match="<!-- x -->"):
        table.replaced("nothing", "x", "new")


def test_numbers_have_three_digits() -> None:
    assert [significant(n) for n in (0, 0.0123, 1.256, 12.34)] == ["0", "0.0123", "1.26", "12.3"]
    assert significant(1234) == "1,234"
    assert [seconds(s) for s in (0.0000123, 0.0123, 12.3)] == ["12.3 µs", "12.3 ms", "12.3 s"]


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) or name for name in "ab"}
    found = timing.interleaved(contenders, rounds=2, warm_up=1, clock=iter(range(100)).__next__)
    assert calls == ["a", "b"] * 3 and found["b"].answer == "b"
    assert (found["a"].rounds, found["a"].cpu) == (2, 1)


def test_slope_is_the_exponent_of_the_last_decade() -> None:
    flat_then_square = [(rows, 1.0 + (rows / 10_000) ** 2) for rows in (10, 100_000, 300_000, 1_000_000)]
    assert abs(slope(flat_then_square) - 2) < 0.02
    assert slope([(10, 1.0)]) == 0.0


def test_picture_is_drawn_the_same_twice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    panels = {"one": {"a": [(10, 1.0), (100, 9.0)]}, "two": {"b": [(10, 1.0), (100, 1.5)]}}
    for name in ("first.svg", "second.svg"):
        draw(panels, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
    assert "a (slope 0.95)" in (tmp_path / "first.svg").read_text()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A corpus of a few texts, kept in a folder of its own."""
    monkeypatch.setenv("SAMESPACE_BENCH_CACHE", str(tmp_path))
    (tmp_path / f"texts-{corpus.RULES}.txt").write_text("\n".join(f"made up text {i}" for i in range(10_500)))
    corpus._all_texts.cache_clear()
    yield
    corpus._all_texts.cache_clear()


@pytest.mark.usefixtures("made_up")
def test_corpus_keeps_queries_apart_and_repeats_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Encoder:
        def encode(self, values: list[str], role: str) -> np.ndarray:
            calls.append(len(values))
            return np.ones((len(values), corpus.DIMENSION), np.float32)

    monkeypatch.setattr(corpus, "_encoder", Encoder)
    assert corpus.available() == 500
    assert not set(corpus.texts(500)) & set(corpus.query_texts(10_000))
    assert len(set(corpus.texts(500, repeats=True))) == 400
    with pytest.raises(ValueError, match="501 distinct texts"):
        corpus.texts(501)
    assert corpus.cached() == 0
    assert corpus.vectors(300).shape == (300, corpus.DIMENSION) and corpus.vectors(500).shape[0] == 500
    assert calls == [500] and corpus.cached() == 500
    assert corpus.queries(3).shape == (3, corpus.DIMENSION) and calls == [500, 2000]
    made = corpus.templated(400)
    assert len(set(made)) == 400 and sum(text.startswith("made up") for text in made) == 200


def test_grown_vectors_are_the_given_ones_and_near_copies() -> None:
    base = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    found = corpus.grown_from(base, 120)
    assert np.array_equal(found[:50], base) and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    similar = (found[50:100] * base).sum(1)
    assert np.all((similar > 0.8) & (similar < 0.97))


def test_sentences_are_prose() -> None:
    block = """Reads one row after the other. Stops at the first `NULL`.

    x = compute(y)
    Licensed under the Apache License, Version 2.0.
    """
    assert list(_sentences.sentences(block)) == [
        "Reads one row after the other.", "Stops at the first NULL.",
    ]
