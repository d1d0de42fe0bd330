"""install on PostgreSQL: no argument becomes SQL, no search_path is trusted, and no right is lent."""

from __future__ import annotations

import time
from typing import Any

import databases
import psycopg2
import pytest
from dbt_process import Dbt
from harness import HASHING, DbtProject
from samespace.io._schema import RELATIONS, TABLES
from targets import PGVECTOR
from vectors import SECOND, store, unit_rows

HOUSE = '"Own House"'
EVIL, WEIRD = 'x"; drop table main.notes; --', 'we"ird %s'
ONE = "one@11111111"
ROWS = unit_rows(20)
RECORD = (
    f"insert into {HOUSE}.{RELATIONS} values "
    "(?, ?, ?, ?, 'label', ?, ?, 'document', 1, now() - make_interval(days => ?))"
)
# What pgvector and the server have too, with other results; `evil` stands before pg_catalog on the path.
TRAPS = """
    create schema evil;
    create function evil.zero(main.v, main.v) returns float8 language sql as 'select 0.5::float8';
    create function evil.minus(integer, float8) returns float8 language sql as 'select 0.25::float8';
    create function evil.no(text, text) returns boolean language sql as 'select true';
    create function evil.lower(text) returns text language sql as 'select ''notes''';
    create function evil.format(text, text) returns text language sql as 'select ''select 1''';
    create function evil.format(text, text, text, text) returns text language sql as 'select ''select 1''';
    create function evil.vector_norm(main.v) returns float8 language sql as 'select 7::float8';
    create function evil.to_regclass(text) returns regclass language sql as 'select null::regclass';
    create operator evil.<=> (leftarg = main.v, rightarg = main.v, function = evil.zero);
    create operator evil.- (leftarg = integer, rightarg = float8, function = evil.minus);
    create operator evil.= (leftarg = text, rightarg = text, function = evil.no);
    create domain evil.vector as integer;
    create temp table embedding_relations (identifier text);
    set search_path = evil, pg_temp, main, "e%xt", pg_catalog
"""


def quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def install(project: DbtProject) -> None:
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output


def record(project: DbtProject, *places: tuple[Any, ...]) -> None:
    """Rows of the registry: (database, schema, identifier, key, embedding, ids, age in days)."""
    project.insert(RECORD, list(places))


@pytest.fixture(scope="module")
def project(make_project) -> DbtProject:
    project = make_project("install_attacks", on=PGVECTOR, models={"one": HASHING})
    project.target["search_path"] = 'main, "e%xt"'
    project.reader = f"reader {project.output['dbname']}"
    project.variables.update(samespace_schema="Own House", samespace_grants={"read": [project.reader]})
    project.configure()
    project.query(f'create schema "e%xt"; create role {quote(project.reader)}')
    project.query('create extension vector schema "e%xt"')
    install(project)
    columns = TABLES[RELATIONS].format(text_list="text[]")
    project.query(f"create table {HOUSE}.{RELATIONS} ({columns})")
    project.query('create schema b; create schema "we""ird %s"')
    fill(project)
    return project


def fill(project: DbtProject) -> None:
    store(project, "notes", list(range(20)), ROWS, [ONE] * 20)
    store(project, '"Notes"', list(range(5)), ROWS[:5], [ONE] * 5)
    store(project, "twin", list(range(20)), ROWS, [ONE] * 20)
    store(project, "b.twin", list(range(20)), ROWS, [SECOND] * 20)
    store(project, '"b.twin"', list(range(20)), ROWS, [ONE] * 20)
    place = f"{quote(WEIRD)}.{quote(EVIL)}"
    store(project, place, [f"it's {i}" for i in range(20)], ROWS, [ONE] * 20, "text", "k'e%1$s")
    project.query(f'alter table {place} rename embedding to "em\'b %L"')
    database = project.output["dbname"]
    names = ("notes", "Notes", "twin", "b.twin", "gone")
    record(
        project,
        *[(database, "main", name, "id", "embedding", [ONE], 0) for name in names],
        (database, "b", "twin", "id", "embedding", [SECOND], 0),
        (database, "old", "Twin", "id", "embedding", [ONE], 0),
        # Before the database was renamed.
        ("an earlier name", "main", "notes", "no key", "embedding", [SECOND], 1),
        (database, WEIRD, EVIL, "k'e%1$s", "em'b %L", [ONE], 0),
    )


def rows(project: DbtProject, call: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return project.query(f"select * from {HOUSE}.{call}", list(parameters))


def said(project: DbtProject, call: str, *parameters: Any) -> str:
    with pytest.raises(psycopg2.Error) as caught:
        rows(project, call, *parameters)
    return str(caught.value)


ATTACKS = [
    "nope", "notes'; drop table main.notes; --", "(select 1)", 'main."notes"', "pg_catalog.pg_class",
    "notes --", "", "$$; drop table main.notes; $$", "%s", "%1$I", "\\'; drop table main.notes; --",
    "not\x01es", "twin", "x.twin",
]  # fmt: skip
QUERY = str(ROWS[0].tolist())


def test_names_are_only_looked_up(project) -> None:
    calls = ["search_by_key(?, '1')", "neighbours(?, '1')", "duplicates_of(?, '1')", "duplicate_pairs(?)"]
    for name in [*ATTACKS, None]:
        shown = "NULL" if name is None else name
        for call in [*calls, f"search_by_vector(?, '{QUERY}', '{ONE}')"]:
            answer = said(project, call, name)
            assert f": there is no embedding relation '{shown}' that could be meant. Known: " in answer
    known = (
        f"Known: Notes, Twin, b.twin, gone, notes, twin, {EVIL} (write schema.name where two have one name)."
    )
    assert known in said(project, "duplicate_pairs('nope')")
    assert "'GONE' is recorded as main.gone with the key id" in said(project, "duplicate_pairs('GONE')")
    assert "'b.twin' that could be meant" in said(project, "duplicate_pairs('b.twin')")


def test_names_that_mean_one_relation(project) -> None:
    for name, count in [("notes", 20), ("Notes", 5), ("main.Notes", 5), ("main.notes", 20)]:
        assert len(rows(project, "search_by_vector(?, ?, ?, 50)", name, QUERY, ONE)) == count
    database = project.output["dbname"]
    for name, model_id in [("main.twin", ONE), (f"{database}.b.twin", SECOND), ("MAIN.b.Twin", ONE)]:
        assert {row[3] for row in rows(project, "search_by_key(?, '1')", name)} == {model_id}


def test_odd_names(project) -> None:
    plain = [row[1:3] for row in rows(project, "search_by_key('notes', '3', 5)")]
    for name in (EVIL, f"{WEIRD}.{EVIL}"):
        found = rows(project, "search_by_key(?, ?, 5)", name, "it's 3")
        assert [row[1:3] for row in found] == plain
        assert sorted(found[0][4]) == ["k'e%1$s", "label", "model_id"]
    pairs = rows(project, "duplicate_pairs(?, 0.5)", EVIL)
    assert [row[2] for row in pairs] == [row[2] for row in rows(project, "duplicate_pairs('notes', 0.5)")]


def test_columns_with_the_names_of_our_aliases(project) -> None:
    """By index and exactly; a name alone would mean the column."""
    letters = "cfrstu"
    columns = ", ".join(f"{place} as {letter}" for place, letter in enumerate(letters))
    project.query(f"create table letters as select id, model_id, embedding, {columns} from notes")
    project.query('create index on letters using hnsw (embedding "e%xt".vector_cosine_ops)')
    record(project, (project.output["dbname"], "main", "letters", "id", "embedding", [ONE], 0))
    for k in (10, 501):
        plain = rows(project, "search_by_key('notes', '3', ?)", k)
        found = rows(project, "search_by_key('letters', '3', ?)", k)
        assert [row[:4] for row in found] == [row[:4] for row in plain]
        values = {name: place for place, name in enumerate(letters)}
        for row in found:
            assert row[4] == {"id": int(row[0]), "model_id": ONE, **values}


def test_keys_and_ids_are_only_compared(project) -> None:
    forged = f"{project.output['dbname']}.b.twin"
    for attack in [a for a in ATTACKS if a] + ["1' or '1'='1", "1 or true", "{1}", "1::text"]:
        assert f"'notes' has no row with key {attack}" in said(project, "search_by_key('notes', ?)", attack)
        assert f"has no row with key {attack}" in said(project, "neighbours(?, ?)", EVIL, attack)
        assert f"the query vector is {attack}. " in said(project, "search_by_key('notes', '1', 5, ?)", attack)
        answer = said(project, "search_by_vector('notes', ?, ?)", QUERY, attack)
        assert f"the query vector is {attack}. " in answer
        answer = said(project, "similarity('[1]'::\"e%xt\".vector, ?, '[1]', ?)", attack, ONE)
        assert f"'embedding_a' holds {attack}; embedding_b is {ONE}" in answer
        # Recorded ids are data too.
        project.query(f"update {HOUSE}.{RELATIONS} set model_ids = ? where schema_name = 'b'", [[attack]])
        assert rows(project, "search_by_vector('main.twin', ?, ?, 1)", QUERY, ONE)
        assert rows(project, "search_by_vector(?, ?, ?)", forged, QUERY, attack) == []
    project.query(f"update {HOUSE}.{RELATIONS} set model_ids = ? where schema_name = 'b'", [[SECOND]])
    assert project.query("select count(*) from main.notes") == [(20,)]


def test_no_search_path_is_trusted(project) -> None:
    calls = [
        f"select * from {HOUSE}.search_by_key('notes', '3', 5)",
        f"select * from {HOUSE}.search_by_vector('MAIN.twin', '{QUERY}', '{ONE}', 5)",
        f"select * from {HOUSE}.duplicates_of('main.twin', '3', 0.2)",
        f"select * from {HOUSE}.duplicate_pairs('notes', 0.5)",
        f"select {HOUSE}.similarity(a.embedding, a.model_id, b.embedding, b.model_id) "
        "from main.notes as a, main.notes as b order by a.id, b.id",
    ]
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        plain = []
        for call in calls:
            cursor.execute(call)
            plain.append(cursor.fetchall())
        cursor.execute(TRAPS.replace("main.v", '"e%xt".vector'))
        for call, expected in zip(calls, plain, strict=True):
            cursor.execute(call)
            assert cursor.fetchall() == expected
            assert expected
    with pytest.raises(psycopg2.Error, match="different spaces"):
        project.query(f"select {HOUSE}.similarity(embedding, 'a@1', embedding, 'b@1') from main.notes")


def test_a_role_that_only_reads(project) -> None:
    reader, call = quote(project.reader), f"select key from {HOUSE}.search_by_key('notes', '3', 5)"
    expected = project.query(call)
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute('grant usage on schema "e%xt", main to ' + reader)
        cursor.execute(f"set role {reader}; set default_transaction_read_only = on")
        with pytest.raises(psycopg2.Error) as caught:
            cursor.execute(call)
        grant = f"grant select on {HOUSE}.{RELATIONS} to {reader};"
        assert f"may not read {HOUSE}.{RELATIONS}. Let its owner run  {grant}" in str(caught.value)
        cursor.execute("set default_transaction_read_only = off; reset role")
        cursor.execute(f"grant select on {HOUSE}.{RELATIONS} to {reader}")
        cursor.execute(f"set role {reader}; set default_transaction_read_only = on")
        with pytest.raises(psycopg2.Error, match="permission denied for table notes"):
            cursor.execute(call)
        cursor.execute("set default_transaction_read_only = off; reset role")
        cursor.execute(f"grant select on main.notes to {reader}")
        cursor.execute(f"set role {reader}; set default_transaction_read_only = on")
        cursor.execute(call)
        assert cursor.fetchall() == expected
        cursor.execute(f"select * from {HOUSE}.duplicate_pairs('notes', 0.5)")
        assert cursor.fetchall()


def test_installs_wait_for_each_other(project) -> None:
    """And a view over a function outlives its replacement."""
    project.query(f"create view main.uses as select * from {HOUSE}.search_by_key('notes', '1')")
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("select pg_advisory_xact_lock(hashtextextended('samespace: install', 0))")
        process = Dbt(["run-operation", "samespace.install"], project.root, project.environment())
        deadline = time.monotonic() + 200
        while not project.query(waiting)[0][0] and time.monotonic() < deadline:
            time.sleep(0.2)
            assert process.poll() is None, process.printed()
        connection.rollback()
        assert process.wait(200) == 0, process.printed()
    assert len(project.query("select * from main.uses")) == 10


def test_another_role_is_told_whose_the_functions_are(project) -> None:
    builder = f"builder_{project.output['dbname']}"
    project.query(f"create role {builder}")
    project.query(f'grant usage, create on schema {HOUSE}, main, "e%xt" to {builder}')
    project.target["role"] = builder
    project.configure()
    try:
        outcome = project.dbt("run-operation", "samespace.install")
    finally:
        del project.target["role"]
        project.configure()
    assert not outcome.ok
    said = " ".join(outcome.output.split())
    assert f"schema Own House belong to postgres, and {builder} may not replace them" in said
    assert f'grant "postgres" to "{builder}"' in said
