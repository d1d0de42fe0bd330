"""What an analytics engineer does every day, on a project with embedding models in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from catalog import columns, relations, vector_name
from harness import HASHING, DbtProject, Outcome
from targets import Target

TINY = {**HASHING, "dimension": 16}
EVENTS = """id,body,opened_at
1,hello world,2024-01-01
2,hello wrld,2024-01-02
3,,2024-01-03
4,good bye,2026-11-20
5,good bye,2026-11-21
"""
RAW = 'Ticket Id,Order,group,ünïcode ☃\n"A b",hello world,1,k1\n"a B",other text,2,k2\n'
TYPED = "id, body, opened_at::timestamp as opened_at from {{ ref('events') }}"


def head(**options: object) -> str:
    keys = {"materialized": "embedding", "model": "tiny", "key": "id", "text": "body", **options}
    return "{{ config(" + ", ".join(f"{name}={value!r}" for name, value in keys.items()) + ") }}\n"


MODELS = {
    "staged": "{{ config(materialized='ephemeral') }} select " + TYPED,
    "dated": "{{ config(materialized='incremental', unique_key='id', event_time='opened_at') }} select "
    + TYPED,
    "vectors": head() + "select * from {{ ref('dated') }}",
    "from_ephemeral": head() + "select * from {{ ref('staged') }}",
    "from_source": head(alias="Aliased Name", schema="extra")
    + "-- depends_on: {{ ref('events') }}\nselect * from {{ source('outside', 'events') }}",
    "quoted": head(key="Ticket Id", text="Order") + "select * from {{ ref('raw') }}",
    # Names in quotes that differ by case are one column on DuckDB, two on PostgreSQL.
    "select": head(key="ünïcode ☃", text="FOLDED") + "select * from {{ ref('raw') }}",
    "on_top": "{{ config(materialized='view') }} select id, body, model_id from {{ ref('vectors') }}",
    "counted": "{{ config(materialized='table') }} select count(*) as n from {{ ref('vectors') }}",
    "late": head() + "select id, body from {{ ref('raw_late') }}",
    "raw_late": "{{ config(materialized='table') }} select 1 as id, 'late' as body"
    " {% if env_var('BREAK', '') %}, cast('broken' as integer) as e{% endif %}",
}
PROPERTIES = """
sources:
  - name: outside
    schema: "{{ target.schema }}"
    tables: [{name: events}]
models:
  - name: vectors
    description: Vectors.
    columns: [{name: id, data_tests: [unique, not_null]}, {name: model_id, data_tests: [not_null]}]
"""
SNAPSHOT = """
snapshots:
  - name: snap
    relation: ref('vectors')
    config: {unique_key: id, strategy: check, check_cols: [body], schema: snaps}
"""
# A package that has an embedding model of its own, with names and macros of its own.
PACKAGE = {
    "dbt_project.yml": "{name: lodger, version: '1.0.0', config-version: 2}",
    "models/lodged.sql": "{{ config(materialized='embedding', model=lodger.which(), key='id', text='body') }}"
    " select 1 as id, 'from a package' as body",
    "macros/which.sql": "{% macro which() %}{{ return('tiny') }}{% endmacro %}",
}


@dataclass
class Day:
    project: DbtProject
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    def run(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
        self.outcomes[name] = outcome = self.project.dbt("--warn-error", *arguments, env=env)
        return outcome

    def told(self, name: str) -> dict[str, str]:
        return {r["unique_id"].split(".")[2]: str(r["message"]) for r in self.outcomes[name].results}

    def held(self, relation: str = "main.vectors") -> list[tuple[Any, ...]]:
        return self.project.query(
            f"select id, body, split_part(model_id, '@', 1) from {relation} order by id"
        )


def make(make_project: Callable[..., DbtProject], target: Target) -> DbtProject:
    project = make_project("daily", on=target, models={"tiny": TINY}, target={"threads": 4, "plugins": []})
    profiles = yaml.safe_load((project.root / "profiles.yml").read_text())
    outputs = profiles["scratch"]["outputs"]
    outputs["prod"] = {**outputs["dev"], "schema": "prod"}
    project.write("profiles.yml", yaml.safe_dump(profiles))
    packages = yaml.safe_load((project.root / "packages.yml").read_text())["packages"]
    project.write("packages.yml", yaml.safe_dump({"packages": [*packages, {"local": "lodger"}]}))
    project.write(
        "macros/say.sql",
        "{% macro say() %}{{ log('it is ' ~ samespace.model_id('tiny'), info=true) }}{% endmacro %}",
    )
    for path, text in PACKAGE.items():
        project.write(f"dbt_packages/lodger/{path}", text)
    project.write("seeds/events.csv", EVENTS)
    project.write("seeds/raw.csv", RAW)
    project.write("models/_models.yml", PROPERTIES)
    project.write("snapshots/snap.yml", SNAPSHOT)
    folded = {"duckdb": "order", "pgvector": "Order"}[project.engine]
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", sql.replace("FOLDED", folded))
    return project


@pytest.fixture(scope="module")
def day(make_project: Callable[..., DbtProject], target: Target) -> Day:
    day = Day(make(make_project, target))
    project, root = day.project, day.project.root
    day.run("compiled", "compile")
    day.seen["touched by compile"] = relations(project)
    day.run("built", "build", "--target", "prod")
    project.write("state/.keep", "")
    shutil.copy(root / "target" / "manifest.json", root / "state" / "manifest.json")
    day.run("deferred", "run", "--select", "on_top", "counted", "--defer", "--state", "state")
    day.seen["deferred"] = project.query("select n from main.counted")
    day.run("cloned", "clone", "--select", "vectors", "--state", "state")
    day.seen["cloned"] = project.query(
        "select table_type from information_schema.tables where table_name = 'vectors'"
    )
    day.seen["through the clone"] = day.held()
    day.run("broken", "build", "--exclude", "snap", env={"BREAK": "yes"})
    day.run("retried", "retry")
    day.seen["main"] = day.held()
    day.run(
        "sampled",
        "run",
        "--select",
        "dated",
        "vectors",
        "--sample",
        "{'start': '2026-11-01', 'end': '2026-12-01'}",
    )
    day.seen["sampled"] = day.held()
    project.write("models/fresh.sql", head() + "select * from {{ ref('events') }}")
    day.run("emptied", "run", "--empty")
    day.seen["emptied"] = day.held()
    day.seen["fresh"] = (columns(project, "fresh"), day.held("main.fresh"))
    project.models["tiny"] = {**TINY, "version": "2"}
    profiles = (root / "profiles.yml").read_text()
    project.configure()
    project.write("profiles.yml", profiles)
    day.run("respelled", "run", "--select", "vectors", "from_ephemeral")
    return day


def test_compile_loads_and_writes_nothing(day: Day) -> None:
    assert day.outcomes["compiled"].ok, day.outcomes["compiled"].output
    assert day.seen["touched by compile"] == set()


def test_a_build_with_tests_snapshot_view_and_a_package(day: Day) -> None:
    assert day.outcomes["built"].ok, day.outcomes["built"].output
    told = day.told("built")
    assert len(told) >= 15
    assert day.project.query(
        "select count(*), count(embedding), count(distinct model_id) from prod_snaps.snap"
    ) == [(5, 4, 1)]
    assert day.project.query("select n from prod.counted") == [(5,)]
    assert day.project.query("select body from prod.lodged where embedding is not null") == [
        ("from a package",)
    ]


def test_each_distinct_text_is_embedded_once_over_all_threads(day: Day) -> None:
    distinct = len({"hello world", "hello wrld", "good bye", "other text", "late", "from a package"})
    built = "select sum(embedded) from samespace.embedding_runs where relation like '%prod%'"
    assert day.project.query(built) == [(distinct,)]


def test_schemas_aliases_and_names_in_quotes(day: Day) -> None:
    assert day.project.query('select count(embedding) from prod_extra."Aliased Name"') == [(4,)]
    assert day.project.query('select "Ticket Id", "Order" from prod.quoted order by 1') == [
        ("A b", "hello world"), ("a B", "other text"),
    ]  # fmt: skip
    assert day.project.query('select "ünïcode ☃" from prod."select" order by 1') == [("k1",), ("k2",)]


def test_defer_reads_the_other_schema(day: Day) -> None:
    assert day.outcomes["deferred"].ok, day.outcomes["deferred"].output
    assert day.seen["deferred"] == [(5,)]


def test_a_clone_is_readable_and_becomes_a_table_on_the_next_run(day: Day) -> None:
    assert day.outcomes["cloned"].ok, day.outcomes["cloned"].output
    assert sorted(day.seen["cloned"]) == [("BASE TABLE",), ("VIEW",)]
    assert len(day.seen["through the clone"]) == 5
    assert day.told("broken")["vectors"] == "EMBED 0 new, 3 cached, 1 null"
    kinds = day.project.query("select table_type from information_schema.tables where table_name = 'vectors'")
    assert kinds == [("BASE TABLE",), ("BASE TABLE",)]


def test_retry_runs_what_failed_and_what_was_skipped(day: Day) -> None:
    failed = [
        r["unique_id"] for r in day.outcomes["broken"].results if r["status"] not in ("success", "pass")
    ]
    assert failed == ["model.scratch.raw_late", "model.scratch.late"]
    assert day.outcomes["retried"].ok, day.outcomes["retried"].output
    created = {"duckdb": "OK", "pgvector": "SELECT 1"}[day.project.engine]
    assert day.told("retried") == {"raw_late": created, "late": "EMBED 0 new, 1 cached"}


def test_a_sample_wipes_nothing(day: Day) -> None:
    assert day.outcomes["sampled"].ok, day.outcomes["sampled"].output
    assert day.told("sampled")["vectors"] == "EMBED 0 new, 1 cached"
    assert day.seen["sampled"] == day.seen["main"]


def test_empty_wipes_nothing(day: Day) -> None:
    assert day.outcomes["emptied"].ok, day.outcomes["emptied"].output
    assert day.told("emptied")["from_ephemeral"] == "EMBED 0 new, 0 cached"
    assert day.seen["emptied"] == day.seen["main"]
    held, rows = day.seen["fresh"]
    assert rows == []
    assert [name for name, _ in held] == [
        "id",
        "body",
        "opened_at",
        "model_id",
        "content_hash",
        "embedding",
    ]
    assert held[-1] == ("embedding", vector_name(day.project, 16))


def test_a_changed_spec_embeds_again(day: Day) -> None:
    assert day.outcomes["respelled"].ok, day.outcomes["respelled"].output
    assert "Unable to do partial parsing because saved manifest" not in day.outcomes["respelled"].output
    assert sorted(day.told("respelled").values()) == [
        "EMBED 0 new, 3 cached, 5 removed, 1 null", "EMBED 3 new, 0 cached, 5 removed, 1 null",
    ]  # fmt: skip
    assert day.project.query("select count(distinct model_id) from main.vectors") == [(1,)]
    assert day.project.query("select count(*) from samespace.embedding_models") == [(2,)]


def test_docs_show_and_run_operation(day: Day) -> None:
    docs = day.run("docs", "docs", "generate")
    assert docs.ok, docs.output
    catalog = json.loads((day.project.root / "target" / "catalog.json").read_text())
    held = catalog["nodes"]["model.scratch.vectors"]["columns"]
    assert held["embedding"]["type"] == vector_name(day.project, 16)
    shown = day.run("shown", "show", "--select", "vectors", "--output", "json")
    assert shown.ok, shown.output
    assert '"body": "hello world"' in shown.output
    said = day.run("said", "run-operation", "say")
    assert said.ok, said.output
    assert "it is tiny@" in said.output
