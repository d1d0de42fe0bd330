"""install: the functions work in a plain DuckDB file, with no Python of ours, and refuse what they must."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from vectors import cosine

NOTES = [
    (1, "cannot log in"),
    (2, "printer is broken"),
    (3, "can not login"),
    (4, None),
    (5, "it's; drop table notes --"),
]
HASHING = {"provider": "hashing", "model": "char-ngrams", "dimension": 64}
MODELS = {"one": HASHING, "other": {**HASHING, "version": "2"}}
PLAIN = """
import json, sys, duckdb
connection = duckdb.connect(sys.argv[1])
answers = []
for sql, parameters in json.load(sys.stdin):
    try:
        answers.append([list(map(str, row)) for row in connection.execute(sql, parameters).fetchall()])
    except duckdb.Error as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def quoted(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def project(make_project):
    project = make_project("install", models=MODELS)
    values = ", ".join(f"({key}, {quoted(text)})" for key, text in NOTES)
    select = f'select * from (values {values}) as t("Note Id", body)'
    config = (
        "{{ config(materialized='embedding', model=%s, key='Note Id', text='body', "
        """alias="%s", schema='%s') }}\n"""
    )
    for name, model, alias, schema in [
        ("notes", "'one'", "notes", "a"),
        ("both", "['one', 'other']", "both", "a"),
        ("twin_a", "'one'", "twin", "a"),
        ("twin_b", "'other'", "twin", "b"),
        ("odd", "'other'", "odd name's", "a"),
    ]:
        project.write(f"models/{name}.sql", config % (model, alias, schema) + select)
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output
    assert "similarity, search_by_key and search_by_vector" in outcome.output
    project.ids = dict(project.query("select name, model_id from samespace.embedding_models"))
    return project


def plain(project, *statements):
    """Rows as text, or the error, of statements run by a Python that has DuckDB and nothing of ours."""
    pairs = [statement if isinstance(statement, tuple) else (statement, []) for statement in statements]
    done = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN, str(project.database)],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    return json.loads(done.stdout)


def test_search_by_key(project) -> None:
    stored = project.query(
        'select "Note Id", embedding from main_a.notes where embedding is not null order by 1'
    )
    keys, vectors = [row[0] for row in stored], [row[1] for row in stored]
    similarity = cosine(vectors, [vectors[0]])[:, 0]
    expected = sorted((-s, key) for key, s in zip(keys, similarity, strict=True) if key != 1)
    for name in ("notes", "main_a.notes", "scratch.main_a.notes", "Main_A.NOTES"):
        (rows,) = plain(
            project, f"select \"Note Id\", similarity, rank from samespace.search_by_key('{name}', '1', 10)"
        )
        assert [(row[0], row[2]) for row in rows] == [
            (str(key), str(i)) for i, (_, key) in enumerate(expected, 1)
        ]
        assert [float(row[1]) for row in rows] == pytest.approx([-s for s, _ in expected], abs=1.1e-6)


def test_columns_and_prepared_arguments(project) -> None:
    described, prepared, limited = plain(
        project,
        "describe from samespace.search_by_key('notes', 1)",
        ("select count(*) from samespace.search_by_key(?, ?, ?)", ["notes", "3", 2]),
        "select count(*) from samespace.search_by_key('notes', 1, k := 1)",
    )
    assert [row[0] for row in described] == [
        "Note Id",
        "body",
        "model_id",
        "content_hash",
        "similarity",
        "rank",
    ]
    assert (prepared, limited) == ([["2"]], [["1"]])


def test_search_by_vector(project) -> None:
    one = project.ids["one"]
    vector = '(select embedding from main_a.notes where "Note Id" = 2)'
    first, listed, prepared = plain(
        project,
        f"select \"Note Id\", similarity from samespace.search_by_vector('notes', {vector}, '{one}', 1)",
        f"select count(*) from samespace.search_by_vector('notes', [{', '.join(['0.5'] * 64)}], '{one}')",
        ("select count(*) from samespace.search_by_vector('notes', ?, ?, 3)", [[0.5] * 64, one]),
    )
    assert (first, listed, prepared) == ([["2", "1.0"]], [["4"]], [["3"]])


def test_other_spaces_are_refused(project) -> None:
    one, other = project.ids["one"], project.ids["other"]
    sentence = (
        "{}: 'notes' holds "
        + one
        + "; the query vector is {}. They are different spaces. Re-embed one side, or pick one model."
    )
    vector = "[" + ", ".join(["0.5"] * 64) + "]"
    for model_id in (other, "one@00000000", f"{one}' or '1'='1", f"{one} ", ""):
        literal = model_id.replace("'", "''")
        (answer,) = plain(project, f"from samespace.search_by_vector('notes', {vector}, '{literal}')")
        assert sentence.format("samespace.search_by_vector", model_id) in answer
    (answer,) = plain(project, f"from samespace.search_by_vector('notes', {vector}, null)")
    assert sentence.format("samespace.search_by_vector", "NULL") in answer
    (answer,) = plain(project, "from samespace.search_by_key('both', 1)")
    assert f"'both' holds several vectors for key 1. Pass model_id := <one of {one}, {other}>." in answer
    (rows,) = plain(
        project, f"select distinct model_id from samespace.search_by_key('both', 1, model_id := '{other}')"
    )
    assert rows == [[other]]


def test_similarity(project) -> None:
    one, other = project.ids["one"], project.ids["other"]
    call = "select samespace.similarity([1, 0]::float[2], {}, [0.6, 0.8], {})"
    same, mixed, unknown, nothing, zero = plain(
        project,
        call.format(f"'{one}'", f"'{one}'"),
        call.format(f"'{one}'", f"'{other}'"),
        call.format("null", "null"),
        f"select samespace.similarity(null, '{one}', [1, 0], '{one}')",
        f"select samespace.similarity([0, 0], '{one}', [1, 0], '{one}')",
    )
    assert float(same[0][0]) == pytest.approx(0.6)
    assert (
        f"samespace.similarity: 'embedding_a' holds {one}; embedding_b is {other}. "
        "They are different spaces. Re-embed one side, or pick one model." in mixed
    )
    assert "'embedding_a' holds NULL; embedding_b is NULL" in unknown
    assert (nothing, zero) == ([["None"]], [["None"]])
    pairs = "select count(samespace.similarity(a.embedding, a.model_id, b.embedding, b.model_id)) "
    pairs += "from main_a.both a, main_a.both b"
    (within, across) = plain(project, pairs + " where a.model_id = b.model_id", pairs)
    assert within == [["32"]]
    assert "They are different spaces" in across


ATTACKS = [
    "nope",
    "twin",
    "notes'; drop table main_a.notes; --",
    "(select 1)",
    'main_a."notes"',
    "information_schema.tables",
    "notes --",
    "",
]


def test_names_are_only_looked_up(project) -> None:
    calls = [f"from samespace.search_by_key({quoted(name)}, 1)" for name in ATTACKS]
    for name, answer in zip(ATTACKS, plain(project, *calls), strict=True):
        assert f"samespace: there is no embedding relation '{name}' that could be meant. Known: " in answer
    keys = ["1' or '1'='1", "'; drop table main_a.notes; --", "1 or true", ""]
    for key, answer in zip(
        keys,
        plain(project, *[("from samespace.search_by_key('notes', ?)", [key]) for key in keys]),
        strict=True,
    ):
        assert f"samespace.search_by_key: 'notes' has no row with key {key}" in answer
    odd, twin, gone = plain(
        project,
        "select count(*) from samespace.search_by_key('main_a.odd name''s', 1)",
        "select distinct model_id from samespace.search_by_key('main_b.twin', 1)",
        "from samespace.search_by_key('notes', 4)",
    )
    assert (odd, twin) == ([["3"]], [[project.ids["other"]]])
    assert "'notes' has no usable vector for key 4" in gone
    assert project.query("select count(*) from main_a.notes") == [(5,)]


def test_another_schema_and_a_clash_of_names(make_project) -> None:
    project = make_project("install_elsewhere", variables={"samespace_schema": "house"})
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output
    assert plain(project, "select house.similarity([1, 0], 'a@1', [1, 0], 'a@1')") == [[["1.0"]]]
    assert "Known: none" in plain(project, "from house.search_by_key('x', 1)")[0]
    project.variables["samespace_schema"] = "scratch"
    project.configure()
    outcome = project.dbt("run-operation", "samespace.install")
    assert not outcome.ok
    assert "the database is called 'scratch', and so is the schema of samespace" in outcome.output
