"""Several roles and schemas of one PostgreSQL database: who pays, who may what, and what a refusal says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import databases
import psycopg2
import pytest
from harness import HASHING, DbtProject, Outcome

TINY = {**HASHING, "dimension": 16}
SPACES = {"tiny": TINY, "second": {**TINY, "version": 2}}
EMBEDDED = "{{ config(materialized='embedding', model='tiny', key='id', text='body') }}\n"
MODELS = {
    "notes": EMBEDDED + "select id, body from notes_raw",
    "shared": EMBEDDED.replace(") }}", ", grants={'select': [var('reader')]}) }}")
    + "select id, body from notes_raw",
    "other_space": EMBEDDED.replace("tiny", "second") + "select id, body from notes_raw",
}
GRANT = re.compile(r"^\s*((?:grant|create schema) .*;)$", re.MULTILINE)


@dataclass
class Shared:
    """One database, its roles by what they do, and what dbt said step by step."""

    output: dict[str, Any]
    projects: dict[str, DbtProject]
    roles: dict[str, str]
    said: dict[str, Outcome] = field(default_factory=dict)

    def run(self, step: str, role: str, *arguments: str, **variables: Any) -> Outcome:
        project = self.projects[role]
        project.variables = {"reader": self.roles["reader"], **variables}
        project.configure()
        self.said[step] = project.dbt(*(arguments or ("run", "--select", "notes")))
        return self.said[step]

    def as_role(self, role: str, sql: str) -> list[tuple[Any, ...]]:
        return databases.execute({**self.output, "user": self.roles[role]}, sql)


@pytest.fixture(scope="module")
def shared(make_project: Callable[..., DbtProject]) -> Shared:
    """The steps, in the order of the tests below. The builder comes first and owns the schema samespace."""
    output = databases.create_database("roles")
    roles = {kind: f"{kind}_{output['dbname']}" for kind in ("builder", "producer", "reader", "other")}
    for role in roles.values():
        databases.execute(output, f'create role "{role}" login')
    for kind in ("builder", "producer", "reader", "other"):
        databases.execute(output, f'grant create on database "{output["dbname"]}" to "{roles[kind]}"')
        databases.execute(output, f'grant usage on schema main to "{roles[kind]}"')
    databases.execute(output, "create extension vector")
    databases.execute(output, "create table notes_raw (id integer, body text)")
    databases.execute(output, "grant select on notes_raw to public")
    databases.execute(
        output, "insert into notes_raw values (1, 'the first note'), (2, 'another'), (3, 'another')"
    )
    projects = {
        kind: make_project(kind, models=SPACES, target={**output, "user": role, "schema": kind, "threads": 2})
        for kind, role in roles.items()
    }
    for project in projects.values():
        for name, sql in MODELS.items():
            project.write(f"models/{name}.sql", sql)
    made = Shared(output, projects, roles)
    made.run("built", "builder", "run", "--select", "notes", "shared")
    made.run("refused", "producer")
    for line in GRANT.findall(made.said["refused"].output):
        made.as_role("builder", line)
    made.run("granted", "producer", "run", "--select", "notes", "other_space")
    named = {"build": [roles["producer"], roles["other"]], "read": [roles["reader"]]}
    made.run(
        "listed", "builder", "run", "--full-refresh", "--select", "notes", "shared", samespace_grants=named
    )
    made.run("other", "other", samespace_grants=[roles["producer"]])
    databases.execute(output, f'grant usage on schema builder to "{roles["reader"]}"')
    made.run("nobody", "builder", samespace_grants=["nobody"])
    made.run("nonsense", "builder", samespace_grants={"write": ["nobody"]})
    return made


def test_the_first_role_owns_the_schema(shared: Shared) -> None:
    assert shared.said["built"].ok, shared.said["built"].output
    assert sorted(r["message"] for r in shared.said["built"].results) == [
        "EMBED 0 new, 2 cached",
        "EMBED 2 new, 0 cached",
    ]
    owner = "select nspowner::regrole::text from pg_namespace where nspname = 'samespace'"
    assert databases.execute(shared.output, owner) == [(shared.roles["builder"],)]


def test_a_role_without_rights_reads_what_to_run(shared: Shared) -> None:
    refused = shared.said["refused"]
    assert not refused.ok
    message = refused.message("notes")
    assert f"samespace: the role {shared.roles['producer']} lacks a right in the schema samespace" in message
    assert f'grant usage, create on schema "samespace" to "{shared.roles["producer"]}";' in message
    assert f'on all tables in schema "samespace" to "{shared.roles["producer"]}";' in message
    assert "samespace_grants" in message and "Traceback" not in refused.output
    assert databases.execute(shared.output, "select count(*) from pg_class where relname = 'notes'") != [(0,)]


def test_those_lines_are_enough_and_the_second_role_pays_nothing(shared: Shared) -> None:
    assert shared.said["granted"].ok, shared.said["granted"].output
    assert shared.said["granted"].message("notes") == "EMBED 0 new, 2 cached"
    assert shared.as_role("producer", "select count(*), count(embedding) from producer.notes") == [(3, 3)]
    places = "select schema_name from samespace.embedding_relations where identifier = 'notes' order by 1"
    assert [row[0] for row in databases.execute(shared.output, places)] == ["builder", "other", "producer"]


def test_a_cache_that_the_second_role_made_serves_the_owner_of_the_schema(shared: Shared) -> None:
    assert shared.said["granted"].message("other_space") == "EMBED 2 new, 0 cached"
    tables = databases.execute(
        shared.output,
        "select tablename from pg_tables where tableowner = '"
        + shared.roles["producer"]
        + "' and schemaname = 'samespace'",
    )
    assert len(tables) == 1
    assert shared.as_role("builder", f'select count(*) from samespace."{tables[0][0]}"') == [(2,)]


def test_the_var_grants_what_a_role_needs_to_build(shared: Shared) -> None:
    assert shared.said["listed"].ok, shared.said["listed"].output
    assert shared.said["other"].ok, shared.said["other"].output
    assert shared.said["other"].message("notes") == "EMBED 0 new, 2 cached"


def test_a_reader_reads_and_searches_and_writes_nothing(shared: Shared) -> None:
    assert shared.as_role("reader", "select count(*) from builder.shared") == [(3,)]
    assert shared.as_role("reader", "select count(*) from samespace.embedding_models") == [(2,)]
    for sql in (
        "delete from samespace.embedding_models",
        "insert into samespace.embedding_runs select * from samespace.embedding_runs",
        "create table samespace.mine (id integer)",
        "delete from builder.shared",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            shared.as_role("reader", sql)
    project = shared.projects["reader"]
    project.write(
        "models/sources.yml", "sources: [{name: theirs, schema: builder, tables: [{name: shared}]}]"
    )
    shown = project.dbt(
        "show", "--output", "json", "--inline",
        "{{ samespace.search(source('theirs', 'shared'), 'nobody embedded this: the first note', k=1) }}",
    )  # fmt: skip
    assert shown.ok, shown.output
    assert '"id": 1' in shown.output


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("nobody", "the var samespace_grants names nobody, which is no role of this "),
        ("nonsense", "the var samespace_grants holds write: "),
    ],
)
def test_a_wrong_var_says_so(shared: Shared, step: str, sentence: str) -> None:
    assert not shared.said[step].ok
    assert sentence in " ".join(shared.said[step].output.split()), shared.said[step].output
    assert "Traceback" not in shared.said[step].output
