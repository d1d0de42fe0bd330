"""The plugin on a plain DuckDB connection: registering, and how a query text is kept."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import pytest
from harness import REPO
from samespace import canaries
from samespace.duckdb_plugin import Plugin

SPEC = {
    "name": "letters",
    "model_id": "letters@00000000",
    "digest": "0" * 32,
    "provider": "hashing",
    "dimension": 8,
    "identity": {"provider": "hashing", "model": "char-ngrams", "dimension": 8, "normalize": True},
}
ASK = """
import sys, json, duckdb
from samespace.duckdb_plugin import Plugin
connection = duckdb.connect(sys.argv[1])
Plugin("samespace", {}, None).configure_connection(connection)
answer = connection.execute("select samespace_query_vector(?, 'where is it')", [sys.argv[2]]).fetchone()[0]
print(json.dumps([answer, sorted({"sklearn", "torch"} & set(sys.modules))]))
"""


def request(catalog: str, **spec: object) -> str:
    return json.dumps({"spec": {**SPEC, **spec}, "catalog": catalog, "schema": "samespace"})


def connected(path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(path)
    Plugin("samespace", {}, None).configure_connection(connection)
    return connection


def test_registering_twice_changes_nothing() -> None:
    connection = connected()
    Plugin("samespace", {}, None).configure_connection(connection)
    found = connection.execute(
        "select count(*), count(distinct function_name) from duckdb_functions() where function_name like "
        "'samespace_%'"
    ).fetchone()
    assert found is not None
    assert found[0] == found[1] >= 2


def test_registering_imports_nothing_heavy() -> None:
    script = (
        "import sys, duckdb\nfrom samespace.duckdb_plugin import Plugin\n"
        "Plugin('samespace', {}, None).configure_connection(duckdb.connect())\n"
        "print(sorted({'torch', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(REPO / "python")},
    )
    assert done.stdout.strip() == "[]"


def test_a_query_text_loads_the_model_once_per_database(tmp_path) -> None:
    path = tmp_path / "kept.duckdb"
    answers = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(path), request("kept")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": str(REPO / "python")},
        )
        # Run by -c, DuckDB may draw a progress bar first.
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    (first, loaded), (second, loaded_again) = answers
    assert first == second
    assert first["error"] is None
    assert len(first["embedding"]) == 8
    assert loaded == ["sklearn"]
    assert loaded_again == []


def test_roles_with_prompts_are_kept_apart() -> None:
    connection = connected()
    asked = request("memory", identity={**SPEC["identity"], "prompts": {"query": "query: "}}, digest="1" * 32)
    connection.execute("select samespace_query_vector(?, 'hello')", [asked]).fetchall()
    connection.execute("select samespace_embed(?, 'hello', 'document')", [asked]).fetchall()
    rows = connection.execute(
        f"select role from samespace.embedding_cache_{'1' * 32} order by role"
    ).fetchall()
    assert rows == [("document",), ("query",)]


def test_encoding_inside_an_open_write_transaction() -> None:
    connection = connected()
    cursor = connection.cursor()
    cursor.execute("begin")
    cursor.execute("create table mine as select 1 as a")
    cursor.execute(
        "create table made as select samespace_embed(?, 'text', 'document') as answer", [request("memory")]
    )
    cursor.execute("rollback")
    # The table goes, what was embedded stays: the cache is written on its own.
    assert connection.execute(
        "select count(*) from duckdb_tables() where table_name in ('mine', 'made')"
    ).fetchone() == (0,)
    assert connection.execute(f"select count(*) from samespace.embedding_cache_{'0' * 32}").fetchone() == (1,)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"provider": "nobody", "digest": "3" * 32}, "unknown provider 'nobody'"),
        ({"dimension": None}, "cannot be read"),
    ],
)
def test_errors_are_values(change, sentence) -> None:
    connection = connected()
    row = connection.execute(
        "select samespace_embed(?, 'text', 'document')", [request("memory", **change)]
    ).fetchone()
    assert row is not None
    assert row[0]["embedding"] is None
    assert sentence in row[0]["error"]


def test_a_planned_query_encodes_nothing(monkeypatch) -> None:
    connection = connected()
    monkeypatch.setattr(canaries, "load_encoder", lambda spec: pytest.fail("a model was loaded"))
    connection.execute(
        "explain select samespace_embed(?, 'constant', 'document')", [request("memory", digest="2" * 32)]
    )
