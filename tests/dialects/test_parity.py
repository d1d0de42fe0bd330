"""The same inputs give the same rows on every engine: keys, ranks and similarities of every macro and method.

SAMESPACE_PARITY_TABLE=<file> also writes what was compared as a table in Markdown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import parity_cases
import pytest
import yaml
from harness import DbtProject
from parity_cases import CASES, GENERIC_TESTS, NEAR, SHAPES, Case
from targets import DUCKDB, PGVECTOR

pytestmark = pytest.mark.slow


@dataclass
class Comparison:
    """Two results of one case: rows that only one engine has, values that differ, the largest difference."""

    rows: int
    one_sided: dict[tuple[Any, ...], float | None] = field(default_factory=dict)
    excused: int = 0
    differing: list[tuple[Any, ...]] = field(default_factory=list)
    largest: float = 0.0

    @property
    def equal(self) -> bool:
        return len(self.one_sided) == self.excused and not self.differing


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def read(project: DbtProject, case: Case) -> dict[tuple[Any, ...], dict[str, Any]]:
    keys, numbers, values = SHAPES[case.macro]
    names = [*keys, *numbers, *values]
    rows = project.query(f"select {', '.join(names)} from {case.name}")
    found = [{name: plain(value) for name, value in zip(names, row, strict=True)} for row in rows]
    indexed = {tuple(row[name] for name in keys): row for row in found}
    assert len(indexed) == len(found), f"{case.name}: rows with one key"
    return indexed


def edge(case: Case, key: tuple[Any, ...], rows: dict[tuple[Any, ...], dict[str, Any]]) -> float | None:
    """The threshold, or the k-th score of the row's query: a row so close to it may be on one side only."""
    if case.threshold is not None:
        return case.threshold
    same_query = [
        row["similarity"] for other, row in rows.items() if case.macro == "search" or other[0] == key[0]
    ]
    return min(same_query) if same_query and case.macro in ("search", "knn") else None


def compare(case: Case, one: DbtProject, other: DbtProject) -> Comparison:
    left, right = read(one, case), read(other, case)
    result = Comparison(len(left))
    for key in sorted(set(left) ^ set(right), key=str):
        side = left if key in left else right
        similarity, limit = side[key].get("similarity"), edge(case, key, side)
        result.one_sided[key] = similarity
        result.excused += similarity is not None and limit is not None and abs(similarity - limit) <= NEAR
    _, numbers, values = SHAPES[case.macro]
    for key in set(left) & set(right):
        result.differing += [
            (key, name, left[key][name], right[key][name])
            for name in values
            if left[key][name] != right[key][name]
        ]
        for name in numbers:
            a, b = left[key][name], right[key][name]
            if a is None or b is None:
                result.differing += [] if a is b else [(key, name, a, b)]
            else:
                result.largest = max(result.largest, abs(a - b))
    return result


@pytest.fixture(scope="module")
def projects(make_project) -> dict[str, DbtProject]:
    """One project per engine with equal tables, built with one command each."""
    made = {target.name: make_project("parity", on=target) for target in (DUCKDB, PGVECTOR)}
    tables = parity_cases.tables()
    for project in made.values():
        names = parity_cases.store_all(project, tables)
        project.write("models/sources.yml", yaml.safe_dump(parity_cases.properties(names)))
        for case in CASES:
            if case.table in names:
                project.write(f"models/{case.name}.sql", case.sql)
        outcome = project.dbt("build")
        failed = [r["unique_id"] for r in outcome.results if r["status"] not in ("success", "pass", "warn")]
        assert outcome.results and not failed, outcome.output
    return made


@pytest.fixture(scope="module")
def compared() -> Iterator[list[tuple[Case, Comparison]]]:
    """Collects what was compared, and writes it down where it is asked for."""
    collected: list[tuple[Case, Comparison]] = []
    yield collected
    file = os.environ.get("SAMESPACE_PARITY_TABLE")
    if file:
        Path(file).write_text(markdown(collected))


def markdown(collected: list[tuple[Case, Comparison]]) -> str:
    lines = [
        "# Parity: DuckDB and PostgreSQL + pgvector",
        "",
        "Rows of one macro on equal tables; a row that only one engine has is an exception where its",
        f"similarity is within {NEAR:g} of the threshold or of the k-th score, else a difference.",
        "",
        "| macro | method | table | rows | equal keys, ranks, groups | exceptions | max difference |",
        "|---|---|---|---:|---|---:|---:|",
    ]
    for case, result in collected:
        verdict = "yes" if result.equal else f"no: {len(result.differing) + len(result.one_sided)}"
        lines.append(
            f"| {case.macro} | {case.method} | {case.table} | {result.rows:,} | {verdict} | {result.excused} "
            f"| {result.largest:.1e} |"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_engines_agree(projects, compared, case: Case) -> None:
    if case.table == "real" and not parity_cases.real_data_is_here():
        pytest.skip("the labelled data or the weights of MiniLM are not here")
    result = compare(case, projects["duckdb"], projects["pgvector"])
    compared.append((case, result))
    if result.excused:
        print(f"{case.name}: {result.excused} rows of {result.rows} at the edge: {result.one_sided}")
    assert result.rows > 0
    assert result.equal, (result.one_sided, result.differing[:5])
    # Both round to six decimals: a sum in another order may fall on the other side of the last one.
    assert result.largest <= 1.01e-6


@pytest.mark.parametrize("name", GENERIC_TESTS)
def test_generic_tests_count_the_same(projects, name: str) -> None:
    counts = {
        engine: next(r["failures"] for r in project.read_results() if r["unique_id"].split(".")[2] == name)
        for engine, project in projects.items()
    }
    assert counts["duckdb"] == counts["pgvector"]
    assert counts["duckdb"] > 0 or name in ("same_dimensions", "pairs_in_one_space")
