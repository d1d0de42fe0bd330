"""How a macro knows the key, text and model_ids of a relation, in every way dbt can hand one over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from databases import vector_type
from harness import HASHING, DbtProject, Outcome
from targets import Target

NOTES = "id,body,at_day\n1,hello world,2024-01-01\n2,hello wrld,2024-01-02\n3,good bye,2026-01-03\n"
HEAD = "{{ config(materialized='embedding', model='tiny', key='id', text='body') }}\n"
MACRO = """
{% macro told(relation) %}
{% set info = samespace._as_relation(relation, 'test', **kwargs) %}
{% set names = ['title', 'key', 'text', 'embedding', 'model_id', 'dimension', 'role', 'known', 'inline'] %}
select {% for name in names -%}
'{{ info[name] }}' as {{ name }}_is, {% endfor -%}
'{{ info.model_ids | join(' ') }}' as model_ids, count({{ info.key_sql }}) as held from {{ info.sql }}
{% endmacro %}
"""
ASKED = {
    "of_model": "told(ref('notes_embedded'))",
    "of_other": "told(ref('tickets'))",
    "of_view": "told(ref('on_top'))",
    "of_view_on_view": "told(ref('on_top_of_it'))",
    "of_ephemeral": "told(ref('passing'))",
    "of_snapshot": "told(ref('kept'))",
    "of_table_of_rows": "told(ref('copied'))",
    "of_source": "told(source('outside', 'notes_embedded'))",
    "of_foreign": "told(source('outside', 'foreign_vectors'), key='code', embedding='vector',"
    " model_id='made_by')",
    "of_override": "told(ref('tickets'), key='body', text='subject')",
    "of_mixed": "told(ref('both'), key='id')",
}
MODELS = {
    "notes_embedded": HEAD + "select * from {{ ref('notes') }}",
    "tickets": "{{ config(materialized='embedding', model=['tiny', 'other'], key='Ticket Id', text='body',"
    " role='query', schema='elsewhere', alias='Ticket_Vectors') }}"
    " select id as \"Ticket Id\", body, 's' as subject from {{ ref('notes') }}",
    "on_top": "{{ config(materialized='view') }} select * from {{ ref('notes_embedded') }}",
    "on_top_of_it": "{{ config(materialized='view', alias='renamed view') }}"
    " select * from {{ ref('on_top') }}",
    "passing": "{{ config(materialized='ephemeral') }} select * from {{ ref('notes_embedded') }}",
    "copied": "{{ config(materialized='table') }} select * from {{ ref('notes_embedded') }}",
    "both": "{{ config(materialized='view') }}"
    " select id, embedding, model_id from {{ ref('notes_embedded') }}"
    " union all select \"Ticket Id\", embedding, model_id from {{ ref('tickets') }}",
    **{name: "{{ config(materialized='table') }} {{ " + call + " }}" for name, call in ASKED.items()},
}
PROPERTIES = """
sources:
  - name: outside
    schema: main
    tables: [{name: notes_embedded}, {name: foreign_vectors}]
seeds:
  - {name: notes, config: {event_time: at_day}}
unit_tests:
  - name: of_rows
    model: of_model
    given: [{input: ref('notes_embedded'), format: sql, rows: select 1 as id union all select 2}]
    expect: {rows: [{key_is: id, text_is: body, title_is: notes_embedded, inline_is: "True", held: 2}]}
  - name: of_rows_of_an_alias
    model: of_other
    given: [{input: ref('tickets'), format: sql, rows: select 'x' as "Ticket Id"}]
    expect: {rows: [{key_is: Ticket Id, title_is: Ticket_Vectors, inline_is: "True", held: 1}]}
  - name: of_rows_of_a_view
    model: of_foreign
    given: [{input: "source('outside', 'foreign_vectors')", format: sql, rows: select 'x' as code}]
    expect: {rows: [{key_is: code, embedding_is: vector, model_id_is: made_by, held: 1}]}
"""
COLUMNS = ["title", "key", "text", "embedding", "model_id", "dimension", "role", "known", "inline"]


@dataclass
class Known:
    project: DbtProject
    built: Outcome

    def of(self, name: str, schema: str = "main") -> dict[str, Any]:
        (row,) = self.project.query(f'select * from {schema}."{name}"')
        return dict(zip([*COLUMNS, "model_ids", "held"], row, strict=True))

    def ids(self, *names: str) -> str:
        found = dict(self.project.query("select name, model_id from samespace.embedding_models"))
        return " ".join(found[name] for name in names)


@pytest.fixture(scope="module")
def known(make_project: Callable[..., DbtProject], target: Target) -> Known:
    tiny = {**HASHING, "dimension": 16}
    project = make_project(
        "known",
        on=target,
        models={"tiny": tiny, "other": {**tiny, "version": "2"}},
        target={"threads": 4, "plugins": []},
    )
    profiles = yaml.safe_load((project.root / "profiles.yml").read_text())
    outputs = profiles["scratch"]["outputs"]
    outputs["prod"], outputs["lab"] = (
        {**outputs["dev"], "schema": "prod"},
        {**outputs["dev"], "schema": "lab"},
    )
    project.write("profiles.yml", yaml.safe_dump(profiles))
    project.write("seeds/notes.csv", NOTES)
    project.write("macros/told.sql", MACRO)
    project.write("models/_models.yml", PROPERTIES)
    project.write(
        "snapshots/kept.yml",
        "snapshots:\n  - name: kept\n    relation: ref('notes_embedded')\n"
        "    config: {unique_key: id, strategy: check, check_cols: [body], schema: kept_here}\n",
    )
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", sql)
    if target.name == "pgvector":
        project.query("create extension vector")
    kind = vector_type(project.output, 2)
    project.query(f"create table foreign_vectors (code varchar, vector {kind}, made_by varchar)")
    project.query(f"insert into foreign_vectors values ('a', cast('[1, 0]' as {kind}), 'x@1')")
    first = project.dbt("--warn-error", "build", "--exclude", "test_type:unit", "of_source")
    assert first.ok, first.output
    built = project.dbt("--warn-error", "build")
    project.write("state/.keep", "")
    shutil.copy(project.root / "target" / "manifest.json", project.root / "state" / "manifest.json")
    return Known(project, built)


def test_everything_builds_with_its_unit_tests(known: Known) -> None:
    assert known.built.ok, known.built.output
    assert [r["unique_id"] for r in known.built.results if r["status"] not in ("success", "pass")] == []
    assert len([r for r in known.built.results if r["unique_id"].startswith("unit_test.")]) == 3


@pytest.mark.parametrize(
    "name", ["of_model", "of_view", "of_view_on_view", "of_snapshot", "of_table_of_rows", "of_source"]
)
def test_the_model_itself_and_what_selects_from_it(known: Known, name: str) -> None:
    told = known.of(name)
    assert (told["key"], told["text"], told["embedding"], told["known"]) == (
        "id",
        "body",
        "embedding",
        "True",
    )
    assert (told["dimension"], told["role"], told["inline"], told["held"]) == ("16", "document", "False", 3)
    assert told["model_ids"] == known.ids("tiny")


def test_an_ephemeral_model_on_top(known: Known) -> None:
    told = known.of("of_ephemeral")
    assert (told["title"], told["key"], told["inline"], told["held"]) == ("passing", "id", "True", 3)
    assert told["model_ids"] == known.ids("tiny")


def test_alias_custom_schema_two_models_and_explicit_arguments(known: Known) -> None:
    told = known.of("of_other")
    assert (told["title"], told["key"], told["role"], told["held"]) == (
        "Ticket_Vectors",
        "Ticket Id",
        "query",
        6,
    )
    assert told["model_ids"] == known.ids("tiny", "other")
    assert [known.of("of_override")[name] for name in ("key", "text")] == ["body", "subject"]


def test_relations_that_samespace_did_not_build(known: Known) -> None:
    told = known.of("of_foreign")
    assert [told[name] for name in ("key", "embedding", "model_id", "known")] == [
        "code",
        "vector",
        "made_by",
        "False",
    ]
    assert known.of("of_mixed")["known"] == "False"


def test_compile_show_and_inline_know_it_too(known: Known) -> None:
    project = known.project
    assert project.dbt("--warn-error", "compile", "--select", "of_model").ok
    compiled = (project.root / "target/compiled/scratch/models/of_model.sql").read_text()
    assert f"'{known.ids('tiny')}' as model_ids" in compiled
    shown = project.dbt(
        "show",
        "--output",
        "json",
        "--inline",
        "{{ told(ref('on_top')) }} union all {{ told(ref('tickets')) }}",
    )
    assert shown.ok, shown.output
    assert '"key_is": "id"' in shown.output
    assert '"key_is": "Ticket Id"' in shown.output


def test_an_unknown_relation_names_the_arguments(known: Known) -> None:
    shown = known.project.dbt("show", "--inline", "{{ told(source('outside', 'foreign_vectors')) }}")
    assert not shown.ok
    assert "'foreign_vectors' is not an embedding relation" in shown.output
    assert "Pass key=<its unique column>" in shown.output


def test_deferred(known: Known) -> None:
    select = ("--select", "of_model", "of_view", "of_other", "of_ephemeral", "--state", "state")
    deferred = known.project.dbt("--warn-error", "run", "--target", "lab", "--defer", *select)
    assert deferred.ok, deferred.output
    for name in ("of_model", "of_view", "of_ephemeral"):
        assert (known.of(name, "lab")["key"], known.of(name, "lab")["held"]) == ("id", 3)
    assert known.of("of_other", "lab")["key"] == "Ticket Id"


def test_favor_state_empty_and_sample(known: Known) -> None:
    project = known.project
    run = ("--warn-error", "run", "--target", "prod", "--select")
    sampled = project.dbt(
        "--warn-error", "build", "--target", "prod", "--select", "notes", "notes_embedded", "of_model",
        "--sample", "{'start': '2024-01-01', 'end': '2024-02-01'}",
    )  # fmt: skip
    assert sampled.ok, sampled.output
    assert (known.of("of_model", "prod")["key"], known.of("of_model", "prod")["held"]) == ("id", 2)
    favoured = project.dbt(*run, "of_model", "--defer", "--favor-state", "--state", "state")
    assert favoured.ok, favoured.output
    assert (known.of("of_model", "prod")["key"], known.of("of_model", "prod")["held"]) == ("id", 3)
    emptied = project.dbt(*run, "of_model", "of_other", "--empty", "--defer", "--state", "state")
    assert emptied.ok, emptied.output
    assert (known.of("of_model", "prod")["key"], known.of("of_model", "prod")["held"]) == ("id", 0)
