"""Look at the user's file before anything is embedded: columns, keys, texts, and how long it will take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samespace.demo.errors import DemoError
from samespace.demo.tables import one_line, shorten

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET = (".parquet", ".pq")
# all-MiniLM-L6-v2 in fp32, measured on one core: a fixed part per text, and one per character.
_SECONDS_PER_TEXT, _SECONDS_PER_CHARACTER = 0.0005, 0.00006
_WINDOW_CHARACTERS = 1100


@dataclass(frozen=True)
class Source:
    """A file that can be embedded. ``scan`` is the DuckDB table function that reads it."""

    path: Path
    scan: str
    key: str
    text: str
    rows: int
    texts: int
    empty: int
    characters: int

    @property
    def seconds(self) -> float:
        """A rough time for a first run: the texts through MiniLM on the cores of this machine."""
        core_seconds = self.texts * _SECONDS_PER_TEXT + self.characters * _SECONDS_PER_CHARACTER
        return core_seconds / max(1, _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def inspect(file: str, key: str | None, text: str | None) -> Source:
    """Read the file once and check it. Raises DemoError with one sentence that says what to change."""
    import duckdb

    path = Path(file).expanduser().resolve()
    scan = _scan(path, file)
    with duckdb.connect() as connection:
        try:
            connection.execute(f"create table source as select * from {scan}")
        except duckdb.Error as error:
            raise DemoError(f"{file} cannot be read: {_first_line(error)}") from error
        columns = {row[0]: row[1] for row in connection.execute("describe source").fetchall()}
        if not key or not text:
            raise DemoError(
                "Say which columns to use: KEY=<unique column> TEXT=<column to embed>. "
                f"{path.name} has {_list(columns)}."
            )
        key, text = _column(key, columns, path), _column(text, columns, path)
        _check_text(text, columns, path)
        _check_key(connection, key, columns, path)
        return _measure(connection, path, scan, key, text)


def quote(name: str) -> str:
    """A column name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _scan(path: Path, given: str) -> str:
    if not path.is_file():
        raise DemoError(f"There is no file {given}. Looked for {path}.")
    literal = "'" + str(path).replace("'", "''") + "'"
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return f"read_parquet({literal})"
    if name.endswith(_CSV):
        return f"read_csv_auto({literal}, sample_size = -1)"
    allowed = ", ".join((*_CSV, *_PARQUET))
    raise DemoError(f"{given} is neither CSV nor Parquet by its name; expected one of {allowed}.")


def _first_line(error: Exception) -> str:
    return shorten(one_line(str(error).strip().splitlines()[0]), 300)


def _list(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} ({type_.lower()})" for name, type_ in columns.items())


def _column(name: str, columns: dict[str, str], path: Path) -> str:
    for column in columns:
        if column == name or column.lower() == name.lower():
            return column
    raise DemoError(f"{path.name} has no column '{name}'. It has {_list(columns)}.")


def _check_text(text: str, columns: dict[str, str], path: Path) -> None:
    if columns[text] == "VARCHAR":
        return
    texts = ", ".join(name for name, type_ in columns.items() if type_ == "VARCHAR") or "none"
    raise DemoError(
        f"The column '{text}' of {path.name} is {columns[text].lower()}, not text "
        f"(its text columns: {texts}). "
        "Numbers and dates print differently on every engine, so the cast is yours to write: add a column "
        f"cast({quote(text)} as varchar) to the file and embed that."
    )


def _check_key(connection: DuckDBPyConnection, key: str, columns: dict[str, str], path: Path) -> None:
    name = quote(key)
    nulls = _one(connection, f"select count(*) from source where {name} is null")
    repeated = connection.execute(
        f"select cast({name} as varchar), count(*) from source where {name} is not null "
        "group by 1 having count(*) > 1 order by 2 desc, 1"
    ).fetchall()
    if not nulls and not repeated:
        return
    problems = [f"is null in {nulls:,} rows"] if nulls else []
    if repeated:
        examples = ", ".join(f"{shorten(one_line(value), 30)} ({n:,} times)" for value, n in repeated[:3])
        problems.append(f"repeats {len(repeated):,} values, such as {examples}")
    raise DemoError(
        f"The key must name one row, but '{key}' of {path.name} {' and '.join(problems)}. "
        f"{_unique(connection, columns)}"
    )


def _unique(connection: DuckDBPyConnection, columns: dict[str, str]) -> str:
    rows = _one(connection, "select count(*) from source")
    unique = [
        name for name in list(columns)[:40]
        if _one(connection, f"select count(distinct {quote(name)}) from source") == rows
    ]  # fmt: skip
    if unique:
        return f"One value per row: {', '.join(unique)}."
    return "No column of the file has one value per row; add a row number and use that."


def _measure(connection: DuckDBPyConnection, path: Path, scan: str, key: str, text: str) -> Source:
    name = quote(text)
    rows, texts, empty = connection.execute(
        f"select count(*), count(distinct {name}) filter (where trim({name}) <> ''), "
        f"count(*) filter (where coalesce(trim({name}), '') = '') from source"
    ).fetchall()[0]
    if not texts:
        raise DemoError(f"The column '{text}' of {path.name} holds no text in any of its {rows:,} rows.")
    characters = _one(
        connection,
        f"select sum(least(length(value), {_WINDOW_CHARACTERS})) "
        f"from (select distinct {name} as value from source)",
    )
    return Source(path, scan, key, text, rows, texts, empty, characters)


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    return int(connection.execute(sql).fetchall()[0][0] or 0)
