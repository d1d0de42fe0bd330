"""Read finished tables without dbt and without a model: one small reader per database, for the same SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

Rows = list[tuple[Any, ...]]


class Reader(Protocol):
    """A connection that reads. SQL marks parameters with '?'."""

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Rows: ...

    def table(self, sql: str) -> tuple[list[str], Rows]:
        """The names of the columns, and the rows."""
        ...

    def close(self) -> None: ...

    def cosine(self, left: str, right: str) -> str:
        """The database's own cosine similarity of two vectors: no guard, and meant so."""
        ...

    def found_key(self, key: str) -> str:
        """The key column in the rows of search_by_key, for a relation with this key (quoted)."""
        ...


class DuckDBReader:
    def __init__(self, file: Path) -> None:
        import duckdb

        self._connection = duckdb.connect(str(file), read_only=True)

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Rows:
        return self._connection.execute(sql, parameters or []).fetchall()

    def table(self, sql: str) -> tuple[list[str], Rows]:
        relation = self._connection.sql(sql)
        return relation.columns, relation.fetchall()

    def close(self) -> None:
        self._connection.close()

    def cosine(self, left: str, right: str) -> str:
        return f"array_cosine_similarity({left}, {right})"

    def found_key(self, key: str) -> str:
        return key


class PostgresReader:
    def __init__(self, url: str) -> None:
        import psycopg2

        self._connection = psycopg2.connect(url)
        self._connection.set_session(readonly=True, autocommit=True)

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Rows:
        with self._connection.cursor() as cursor:
            marked = sql.replace("%", "%%").replace("?", "%s") if parameters else sql
            cursor.execute(marked, parameters or None)
            return [tuple(row) for row in cursor.fetchall()]

    def table(self, sql: str) -> tuple[list[str], Rows]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [column.name for column in cursor.description], [tuple(row) for row in cursor.fetchall()]

    def close(self) -> None:
        self._connection.close()

    def cosine(self, left: str, right: str) -> str:
        return f"1 - ({left} <=> {right})"

    def found_key(self, key: str) -> str:
        return "key"
