"""install on PostgreSQL: what the functions answer, against NumPy, with and without an index."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

import databases
import numpy as np
import psycopg2
import pytest
from harness import HASHING, DbtProject
from samespace.io._schema import RELATIONS, TABLES
from targets import PGVECTOR
from vectors import cosine, store, unit_rows

OTHER = "other@22222222"
MODELS = {"one": HASHING, "tower": {**HASHING, "version": "2", "same_space_as": "one", "verify": False}}
INDEX = "create index {0}_{1} on {0} using hnsw ({2}) where (model_id = '{3}')"
RECORD = (
    f"insert into samespace.{RELATIONS} values "
    "(current_database(), ?, ?, ?, 'label', 'embedding', ?, 'document', 1, now())"
)
WIDE = 2100
SMALL, BIG = unit_rows(60), unit_rows(4000, seed=1, dimension=64)
TINY, MANY = unit_rows(60, seed=2, dimension=WIDE), unit_rows(200, seed=3)
KEYS = [f"{'aBé'[i % 3]}-{i:04d}" for i in range(len(BIG))]
UUIDS = [str(uuid.UUID(int=(i * 7919**9) % 2**128)) for i in range(60)]
SAME = [str(i) for i in range(1000)]


def brute(keys: Sequence[Any], vectors: Any, query: Any, k: int, leave: Any = None) -> list[tuple[Any, ...]]:
    """The rows that a search must give: by similarity, then by key (texts by their bytes)."""
    similarity = cosine(vectors, [query])[:, 0]
    order = sorted(
        (-s, key.encode() if isinstance(key, str) else key, str(key))
        for key, s in zip(keys, similarity, strict=True)
        if key != leave
    )
    return [(key, -s) for s, _, key in order[:k]]


def install(project: DbtProject) -> None:
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output
    assert "neighbours, duplicates_of and duplicate_pairs are in" in outcome.output


def fill(project: DbtProject, one: str, tower: str) -> None:
    store(project, "notes", list(range(62)), [*SMALL, None, np.zeros(16)], [one] * 62)
    store(project, "big", KEYS, BIG, [tower if i % 4 == 0 else one for i in range(4000)], "text", "Key", 64)
    store(project, "same", SAME, [SMALL[0]] * 1000, [one] * 1000, "varchar")
    store(project, "half", list(range(60)), SMALL, [one] * 60, "bigint")
    store(project, "wide", UUIDS, TINY, [one] * 60, "uuid", dimension=WIDE)
    store(project, "mixed", list(range(60)) * 2, [*SMALL, *SMALL], [one] * 60 + [OTHER] * 60)
    store(project, "few", list(range(200)), MANY, ([one] + [OTHER] * 9) * 20)
    project.query("alter table half alter column embedding type halfvec(16)")
    for table, name, column, model_id in [
        ("big", "one", "embedding vector_cosine_ops", one),
        ("big", "tower", "embedding vector_cosine_ops", tower),
        ("same", "one", "embedding vector_cosine_ops", one),
        ("half", "one", "embedding halfvec_cosine_ops", one),
        ("wide", "one", f"(embedding::halfvec({WIDE})) halfvec_cosine_ops", one),
    ]:
        project.query(INDEX.format(table, name, column, model_id))
    thin = "(embedding vector_cosine_ops) with (m = 2, ef_construction = 4)"
    project.query(f"create index few_whole on few using hnsw {thin}")
    ids = {"big": [one, tower], "mixed": [one, OTHER], "few": [one, OTHER]}
    names = ["notes", "big", "same", "half", "wide", "mixed", "few"]
    project.insert(RECORD, [("main", n, "Key" if n == "big" else "id", ids.get(n, [one])) for n in names])
    project.query("analyze")


@pytest.fixture(scope="module")
def project(make_project) -> DbtProject:
    project = make_project("install_pg", on=PGVECTOR, models=MODELS)
    install(project)
    body = project.query("select prosrc from pg_proc where proname = 'similarity' limit 1")[0][0]
    project.tower, project.one = re.search(r"when '(tower@\w+)' then '(one@\w+)'", body).groups()
    project.query(f"create table samespace.{RELATIONS} ({TABLES[RELATIONS].format(text_list='text[]')})")
    fill(project, project.one, project.tower)
    return project


def call(project: DbtProject, sql: str, parameters: list[Any], settings: str = "") -> list[tuple[Any, ...]]:
    """Key and similarity of a search, in a session of its own with these settings."""
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute(f"{settings}; select key, similarity from samespace.{sql}", parameters)
        return cursor.fetchall()


def by_key(project: DbtProject, name: str, key: Any, k: int, settings: str = "") -> list[tuple[Any, ...]]:
    return call(project, "search_by_key(%s, %s, %s)", [name, str(key), k], settings)


def said(project: DbtProject, sql: str, *parameters: Any) -> str:
    with pytest.raises(psycopg2.Error) as caught:
        project.query(f"select samespace.{sql}", list(parameters))
    return str(caught.value)


STATEMENT = """
    select samespace._indexed(f, samespace._same_space_ids(f, %s), %s, %s), a.found_vector::text
    from samespace._embedding_relation('x', %s) as f, lateral samespace._asked_row(f, %s, %s) as a"""


def explained(project: DbtProject, name: str, k: int, key: str, settings: str = "") -> str:
    """EXPLAIN of the statement that asks the indexes, of an empty one where there is none."""
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute(f"{settings}; {STATEMENT}", [project.one, key, k, name, key, project.one])
        sql, vector = cursor.fetchone()
        cursor.execute("explain " + (sql or "select").replace("$1", f"'{vector}'::vector"))
        return "\n".join(row[0] for row in cursor.fetchall())


def test_search_by_key_without_an_index(project) -> None:
    names = ("notes", "main.notes", "Main.NOTES", f"{project.output['dbname']}.main.notes")
    for name, k in zip(names, (10, 10, 10, 100), strict=True):
        assert by_key(project, name, 1, k) == brute(range(60), SMALL, SMALL[1], k, 1)
    assert explained(project, "notes", 10, "1").startswith("Result")


@pytest.mark.parametrize("k", [10, 100, 500, 501])
def test_two_ids_of_one_space(project, k) -> None:
    expected = brute(KEYS, BIG, BIG[5], k, KEYS[5])
    assert by_key(project, "big", KEYS[5], k, "set enable_indexscan = off") == expected
    rows = by_key(project, "big", KEYS[5], k, "set enable_seqscan = off")
    assert len(rows) == k
    assert len(set(rows) & set(expected)) >= 0.95 * k
    assert rows == sorted(rows, key=lambda row: (-row[1], row[0].encode()))


def test_each_id_is_searched_by_its_own_index(project) -> None:
    assert "Index Scan using big_one" in explained(project, "big", 10, KEYS[5])
    for k in (10, 100, 500):
        plan = explained(project, "big", k, KEYS[5], "set enable_seqscan = off")
        assert "Index Scan using big_one" in plan
        assert "Index Scan using big_tower" in plan
    counted = "select sum(idx_scan) from pg_stat_user_indexes where relname = 'big'"
    scans = project.query(counted)[0][0]
    project.query("select samespace.search_by_key('big', ?); select pg_stat_force_next_flush()", [KEYS[5]])
    assert project.query(counted)[0][0] > scans


def test_1000_equal_vectors_come_by_key(project) -> None:
    """An index gives any of them; it has no order among equals."""
    for k in (5, 100, 600):
        expected = brute(SAME, [SMALL[0]] * 1000, SMALL[0], k, "7")
        for settings in ("select 1", "set enable_seqscan = off"):
            assert by_key(project, "same", "7", k, settings) == expected


def test_an_index_that_gives_too_little_is_not_believed(project) -> None:
    """A thin index over both spaces that may not go on: it finds some of the 19 others of one."""
    little = "set enable_seqscan = off; set hnsw.max_scan_tuples = 1"
    assert "Index Scan using few_whole" in explained(project, "few", 19, "50", little)
    assert by_key(project, "few", 50, 19, little) == brute(range(0, 200, 10), MANY[::10], MANY[50], 19, 50)
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute(f"{little}; {STATEMENT}", [project.one, "50", 83, "few", "50", project.one])
        cursor.execute("select keys from samespace._by_index(%s, %s, 19, 83, 1)", cursor.fetchone())
        assert len(cursor.fetchone()[0]) < 19


def test_half_precision(project) -> None:
    stored = [
        [float(x) for x in row[0].strip("[]").split(",")]
        for row in project.query("select embedding::text from half order by id")
    ]
    expected = brute(range(60), stored, stored[4], 10, 4)
    assert by_key(project, "half", 4, 10) == expected
    assert by_key(project, "half", 4, 10, "set enable_seqscan = off") == expected
    assert "Index Scan using half_one" in explained(project, "half", 10, "4", "set enable_seqscan = off")


def test_the_index_of_wide_vectors_is_one_of_halfvec(project) -> None:
    assert "Index Scan using wide_one" in explained(project, "wide", 10, UUIDS[3], "set enable_seqscan = off")
    expected = brute(UUIDS, TINY, TINY[3], 10, UUIDS[3])
    assert by_key(project, "wide", UUIDS[3], 10, "set enable_seqscan = off") == expected


def test_search_by_vector(project) -> None:
    query = str(BIG[9].tolist())
    expected = brute(KEYS, BIG, BIG[9], 10)
    for model_id in (project.one, project.tower):
        assert call(project, "search_by_vector('big', %s, %s, 10)", [query, model_id]) == expected
    named = "search_by_vector(relation := 'big', vector := %s::vector, model_id := %s, k := 3)"
    assert call(project, named, [query, project.one]) == expected[:3]
    for vector in (None, str([0] * 64)):
        answer = said(project, "search_by_vector('big', ?, ?)", vector, project.one)
        assert "search_by_vector: the query vector is NULL, zero, or holds NaN or infinity" in answer
    short = said(project, "search_by_vector('big', '[1, 2]', ?)", project.one)
    assert "'big' holds vectors of 64 numbers; the query vector has 2" in short


def test_columns(project) -> None:
    rank, model_id, fields = project.query(
        "select rank, model_id, fields from samespace.search_by_key('big', ?, 1)", [KEYS[5]]
    )[0]
    assert (rank, model_id) == (1, fields["model_id"])
    assert sorted(fields) == ["Key", "label", "model_id"]
    neighbours = project.query("select * from samespace.neighbours('big', ?, 4)", [KEYS[5]])
    expected = brute(KEYS, BIG, BIG[5], 4, KEYS[5])
    assert [row[:4] for row in neighbours] == [(KEYS[5], key, s, i) for i, (key, s) in enumerate(expected, 1)]
    assert {row[5] for row in neighbours} == {project.one}


def test_other_spaces_are_refused(project) -> None:
    sentence = (
        "samespace.{}: 'notes' holds {}; the query vector is {}. They are different spaces. "
        "Re-embed one side, or pick one model."
    )
    vector = str(SMALL[0].tolist())
    for model_id in (OTHER, "one@00000000", f"{project.one}' or '1'='1", f"{project.one} ", "", None):
        shown = "NULL" if model_id is None else model_id
        answer = said(project, "search_by_vector('notes', ?, ?)", vector, model_id)
        assert sentence.format("search_by_vector", project.one, shown) in answer
        if model_id is not None:
            answer = said(project, "search_by_key('notes', '1', 10, ?)", model_id)
            assert sentence.format("search_by_key", project.one, shown) in answer
    several = f"'mixed' holds several vectors for key 1. Pass model_id := <one of {project.one}, {OTHER}>."
    assert several in said(project, "search_by_key('mixed', '1')")
    chosen = "select distinct model_id from samespace.search_by_key('mixed', '1', 100, ?)"
    assert project.query(chosen, [OTHER]) == [(OTHER,)]


def test_mistakes_are_named(project) -> None:
    for key in ("99", "01", "x", None, "99999999999999999999"):
        answer = said(project, "search_by_key('notes', ?)", key)
        assert f"'notes' has no row with key {key or 'NULL'}" in answer
    for key in ("60", "61"):
        assert f"'notes' has no usable vector for key {key}" in said(project, "neighbours('notes', ?)", key)
    for k in (0, -1, None):
        answer = said(project, "search_by_key('notes', '1', ?)", k)
        assert f"k is {'NULL' if k is None else k}; expected a whole number of at least 1" in answer
    for threshold in (1.5, "NaN", None):
        for function in ("duplicates_of('notes', '1', ?)", "duplicate_pairs('notes', ?)"):
            assert "expected a similarity from -1 to 1" in said(project, function, threshold)
    assert "max_pairs is 0" in said(project, "duplicate_pairs('notes', 0.9, 0)")


def test_similarity(project) -> None:
    one, tower = project.one, project.tower
    exact = cosine(SMALL, SMALL)
    for table, tolerance in [("notes", 2e-6), ("half", 2e-3)]:
        rows = project.query(
            "select a.id, b.id, samespace.similarity(a.embedding, a.model_id, b.embedding, b.model_id) "
            f"from {table} as a, {table} as b where a.id < 9"
        )
        assert len(rows) == 9 * (62 if table == "notes" else 60)
        for a, b, similarity in rows:
            assert similarity == (pytest.approx(exact[a][b], abs=tolerance) if b < 60 else None)
    pair = "similarity('[1e-20, 0]'::vector, ?, '[3e20, 4e20]'::vector, ?)"
    assert project.query(f"select samespace.{pair}", [one, tower])[0][0] == pytest.approx(0.6)
    for left, right in [(one, OTHER), (None, None), (one, None), (f"{one} ", one), (one.upper(), one)]:
        sentence = (
            f"samespace.similarity: 'embedding_a' holds {left or 'NULL'}; embedding_b is {right or 'NULL'}. "
            "They are different spaces. Re-embed one side, or pick one model."
        )
        assert sentence in said(project, pair, left, right)
    uneven = said(project, "similarity('[1, 0]'::vector, 'a@1', '[1, 0, 0]'::vector, 'a@1')")
    assert "embedding_a has 2 numbers, embedding_b has 3" in uneven


def test_duplicates(project) -> None:
    expected = [row for row in brute(KEYS, BIG, BIG[0], 4000, KEYS[0]) if row[1] >= 0.3]
    assert len(expected) > 5
    assert call(project, "duplicates_of('big', %s, 0.3)", [KEYS[0]]) == expected
    assert len(call(project, "duplicates_of('same', '7', 1)", [])) == 999
    near = cosine(SMALL, SMALL)
    pairs = [(str(a), str(b), near[a][b]) for a in range(60) for b in range(a + 1, 60) if near[a][b] >= 0.5]
    rows = project.query("select * from samespace.duplicate_pairs('notes', 0.5)")
    assert sorted(row[:3] for row in rows) == sorted(pairs)
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    mixed = project.query("select left_model_id, right_model_id from samespace.duplicate_pairs('mixed', 0.5)")
    assert sorted(mixed) == [(project.one, project.one)] * len(pairs) + [(OTHER, OTHER)] * len(pairs)
    assert "more than 10 pairs of 'notes' reach" in said(project, "duplicate_pairs('notes', 0.5, 10)")


def test_the_session_keeps_its_settings(project) -> None:
    with databases.connected(project.output) as connection, connection.cursor() as cursor:
        cursor.execute("set hnsw.ef_search = 77")
        for _ in range(2):
            cursor.execute("select count(*) from samespace.search_by_key('big', %s, 20)", [KEYS[5]])
            cursor.execute("select current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')")
            assert cursor.fetchone() == ("77", "off")


def test_install_again_with_other_spaces(project) -> None:
    """Without a declared space the pairs have one model_id, which no `create or replace` could change."""
    functions = "select oid::regprocedure::text from pg_proc where pronamespace = 'samespace'::regnamespace"
    before = sorted(project.query(functions))
    project.models = {"one": HASHING}
    project.configure()
    install(project)
    assert sorted(project.query(functions)) == before
    rows = project.query("select model_id, left_key from samespace.duplicate_pairs('notes', 0.5)")
    assert {row[0] for row in rows} == {project.one}
    assert "different spaces" in said(project, "search_by_vector('notes', ?, ?)", "[1]", project.tower)
