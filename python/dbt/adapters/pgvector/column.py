"""Columns that know the types which information_schema calls USER-DEFINED or ARRAY."""

from __future__ import annotations

from dataclasses import dataclass

from dbt.adapters.postgres.column import PostgresColumn


@dataclass
class PgvectorColumn(PostgresColumn):
    """``dtype`` is the type without its modifier (``vector``), ``formatted`` with it (``vector(384)``)."""

    formatted: str | None = None

    @property
    def data_type(self) -> str:
        """The type as it is written in SQL."""
        return str(self.formatted or super().data_type)
