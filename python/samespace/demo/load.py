"""Load the user's file into PostgreSQL, with the column types that DuckDB finds in it."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, Any

from samespace.demo.errors import DemoError
from samespace.demo.source import Source, quote
from samespace.demo.tables import one_line, shorten

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a CSV or Parquet file can hold. Everything else (lists, structs, JSON ...) arrives as text.
_TYPES = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "UTINYINT": "smallint",
    "INTEGER": "integer", "USMALLINT": "integer", "BIGINT": "bigint", "UINTEGER": "bigint",
    "UBIGINT": "numeric", "HUGEINT": "numeric", "UHUGEINT": "numeric",
    "FLOAT": "real", "DOUBLE": "double precision", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid",
    "BLOB": "bytea",
}  # fmt: skip
_PAGE_ROWS = 20_000


def load(source: Source, url: str, schema: str, table: str) -> tuple[int, float]:
    """Replace a table by the rows of the file, in one transaction. Its rows, and the seconds it took.

    Raises DemoError where PostgreSQL cannot hold a value.
    """
    import duckdb
    import psycopg2

    started = time.monotonic()
    target = psycopg2.connect(url)
    try:
        with duckdb.connect() as connection, target, target.cursor() as cursor:
            described = connection.execute(f"describe from {source.scan}").fetchall()
            columns = {row[0]: row[1] for row in described}
            cursor.execute(_ddl(schema, table, columns))
            rows = _copy(connection, cursor, source.scan, columns, f"{quote(schema)}.{quote(table)}")
    except (psycopg2.Error, duckdb.Error) as error:
        message = shorten(one_line(str(error).strip().splitlines()[0]), 300)
        raise DemoError(f"{source.path.name} cannot be loaded into PostgreSQL: {message}") from error
    finally:
        target.close()
    return rows, time.monotonic() - started


def _ddl(schema: str, table: str, columns: dict[str, str]) -> str:
    typed = ", ".join(f"{quote(name)} {_type(type_)}" for name, type_ in columns.items())
    name = f"{quote(schema)}.{quote(table)}"
    return (
        "set local client_min_messages = warning; "
        f"create schema if not exists {quote(schema)}; "
        f"drop table if exists {name}; create table {name} ({typed})"
    )


def _type(duckdb: str) -> str:
    if re.fullmatch(r"DECIMAL\(\d+,\d+\)", duckdb):
        return duckdb.replace("DECIMAL", "numeric")
    return _TYPES.get(duckdb, "text")


def _copy(
    connection: DuckDBPyConnection, cursor: Any, scan: str, columns: dict[str, str], table: str
) -> int:
    from pyarrow import csv

    texts = ", ".join(_as_text(name, type_) for name, type_ in columns.items())
    rows = 0
    # Every value as DuckDB writes it; a quoted field is a text, an empty one without quotes is NULL.
    result = connection.execute(f"select {texts} from {scan}")
    # DuckDB 1.5 renamed it.
    for batch in (getattr(result, "to_arrow_reader", None) or result.fetch_record_batch)(_PAGE_ROWS):
        page = io.BytesIO()
        csv.write_csv(batch, page, csv.WriteOptions(include_header=False, quoting_style="needed"))
        page.seek(0)
        cursor.copy_expert(f"copy {table} from stdin with (format csv)", page)
        rows += batch.num_rows
    return rows


def _as_text(name: str, type_: str) -> str:
    if type_ == "BLOB":
        return f"'\\x' || hex({quote(name)})"
    return f"cast({quote(name)} as varchar)"
