"""The parts of the demo that need no dbt: looking at a file, choosing numbers, drawing tables."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import duckdb
import pytest
import yaml
from harness import REPO
from samespace.demo import project
from samespace.demo.__main__ import main
from samespace.demo.dbt import sentence
from samespace.demo.errors import DemoError
from samespace.demo.places import DuckDBFile
from samespace.demo.source import inspect
from samespace.demo.tables import WIDTH, cells, one_line, shorten, table

ROWS = 'id,"Full Text",amount,kind\n1,first,1.5,a\n2,second,2.5,a\n3,,3.5,b\n4,second,4.5,b\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "it's a file.csv"
    path.write_text(ROWS)
    return path


def refused(file: Path | str, key: str | None, text: str | None) -> str:
    with pytest.raises(DemoError) as caught:
        inspect(str(file), key, text)
    return str(caught.value)


def test_a_file_is_measured(file: Path) -> None:
    source = inspect(str(file), "ID", "full text")
    assert (source.key, source.text) == ("id", "Full Text")
    assert (source.rows, source.texts, source.empty) == (4, 2, 1)


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as id, 'text' as body) to '{path}'")
    assert inspect(str(path), "id", "body").texts == 1


def test_a_missing_file(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "none.csv", "id", "body")


def test_a_missing_column_names_the_others(file: Path) -> None:
    message = refused(file, "id", "body")
    assert "no column 'body'" in message
    assert "Full Text (varchar)" in message


def test_columns_not_given(file: Path) -> None:
    assert "Say which columns to use" in refused(file, None, None)


def test_a_key_that_repeats_names_a_unique_column(file: Path) -> None:
    message = refused(file, "kind", "Full Text")
    assert "repeats 2 values, such as a (2 times)" in message
    assert "One value per row: id, amount." in message


def test_a_key_with_nulls(file: Path) -> None:
    assert "is null in 1 rows" in refused(file, "Full Text", "kind")


def test_a_text_that_is_a_number_proposes_the_cast(file: Path) -> None:
    message = refused(file, "id", "amount")
    assert "is double, not text" in message
    assert 'cast("amount" as varchar)' in message


def test_no_text_at_all(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text('id,body\n1,"  "\n2,""\n')
    assert "holds no text in any of its 2 rows" in refused(path, "id", "body")


def test_something_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "notes.docx"
    path.write_text("x")
    assert "neither CSV nor Parquet" in refused(path, "id", "body")
    broken = tmp_path / "broken.parquet"
    broken.write_text("x")
    assert "cannot be read" in refused(broken, "id", "body")


def test_errors_end_with_exit_code_1(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--csv", str(file), "--key", "id", "--text", "nothing"]) == 1
    assert "no column 'nothing'" in capsys.readouterr().err


def test_make_hands_its_variables_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CSV": str(file), "KEY": "kind", "TEXT": "Full Text"}.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 1


@pytest.mark.parametrize(("texts", "k"), [(1, 1), (2, 2), (8, 2), (300, 12), (5390, 50), (1_000_000, 50)])
def test_the_number_of_clusters_grows_slowly(texts: int, k: int) -> None:
    assert project.cluster_count(texts) == k


def test_the_project_is_ordinary_dbt(file: Path, tmp_path: Path) -> None:
    source = inspect(str(file), "id", "Full Text")
    root = project.folder(source, "duckdb", tmp_path / "out")
    place = DuckDBFile(root / "demo.duckdb", "main")
    built = project.write(root, source, place, 0.9, ["what's \\ this?"])
    settings = yaml.safe_load((built.root / "dbt_project.yml").read_text())
    assert set(settings["vars"]["samespace_models"]) == {"minilm", "paraphrase"}
    package = yaml.safe_load((built.root / "packages.yml").read_text())["packages"][0]["local"]
    assert (built.root / package).resolve() == REPO
    assert r"'what\'s \\ this?'" in (built.root / "models" / "search_1.sql").read_text()
    profile = yaml.safe_load((built.root / "profiles.yml").read_text())["file_demo"]
    assert profile["outputs"][profile["target"]]["path"] == "demo.duckdb"
    before = {path: path.stat().st_mtime_ns for path in built.root.rglob("*.sql")}
    again = project.write(root, source, place, 0.9, [])
    assert again == built
    after = {path: path.stat().st_mtime_ns for path in built.root.rglob("*.sql")}
    assert after == {path: at for path, at in before.items() if path.name != "search_1.sql"}


def test_a_table_fits_the_screen() -> None:
    rows = [(1234, 0.5, "long " * 60, "漢字" * 60), (2, None, None, "e\u0301")]
    drawn = table(["n", "score", "text", "more"], rows)
    assert max(map(cells, drawn.splitlines())) <= WIDTH
    assert drawn.splitlines()[1].startswith("  1,234  0.500  long")


def test_cells_and_lines() -> None:
    assert (cells("漢字"), cells("e\u0301"), cells("abc")) == (4, 1, 3)
    assert one_line(" a\tb\r\n\u202ec \x1b[0m") == "a b c [0m"
    assert shorten("abcdef", 4) == "abc…"


def test_the_sentence_of_samespace_is_found() -> None:
    error = "Compilation Error in sql operation\n  samespace.search: 'a' holds b.\n  > in macro search"
    assert sentence([error]) == "samespace.search: 'a' holds b."


def test_the_tickets_are_what_the_readme_says() -> None:
    with (REPO / "seeds" / "demo" / "support_tickets.csv").open(encoding="utf-8", newline="") as handle:
        tickets = list(csv.DictReader(handle))
    bodies = Counter(ticket["body"] for ticket in tickets)
    assert len(tickets) == 300
    assert len({ticket["theme"] for ticket in tickets}) == 8
    assert sum(not body.strip() for body in bodies) == 2
    assert sum(count - 1 for count in bodies.values()) >= 15
    assert max(map(len, bodies)) > 1500
