"""The entries of a model's ``indexes:``: dbt-postgres', and what an index on vectors needs besides."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from dbt.adapters.exceptions import IndexConfigError
from dbt.adapters.postgres.impl import PostgresConfig, PostgresIndexConfig
from dbt.adapters.postgres.relation_configs import MAX_CHARACTERS_IN_IDENTIFIER

PLAIN_COLUMN = re.compile(r'\w+|"[^"]+"')
# What stands in the comment of an index that its columns, method and uniqueness do not tell apart.
MARK = "dbt index "


@dataclass
class PgvectorIndexConfig(PostgresIndexConfig):
    """One index.

    ``opclass``: operator class of its one column (``vector_cosine_ops``); ``parameters``: storage parameters
    (``{m: 16, ef_construction: 64}``); ``where``: predicate of a partial index; ``name``: instead of a hash.
    """

    opclass: str | None = None
    parameters: dict[str, Any] | None = None
    where: str | None = None
    name: str | None = None

    @classmethod
    def parse(cls, raw_index: Any) -> PgvectorIndexConfig | None:
        """The checked entry; dbt's IndexConfigError says what is wrong with it."""
        parsed: PgvectorIndexConfig | None = super().parse(raw_index)
        problem = parsed and parsed._problem()
        if problem:
            raise IndexConfigError(TypeError(problem))
        return parsed

    def render(self, relation: Any) -> str:
        """The index's name: its own, or a new one each time, as dbt-postgres does."""
        return self.name or self.another_name(relation)

    def another_name(self, relation: Any) -> str:
        """A name that no other index has."""
        return str(super().render(relation))

    @property
    def keys(self) -> str:
        """SQL: what is indexed."""
        return ", ".join(self.columns) + (f" {self.opclass}" if self.opclass else "")

    @property
    def storage(self) -> str:
        """SQL: the storage parameters, '' where there are none."""
        return ", ".join(f"{key} = {_literal(value)}" for key, value in (self.parameters or {}).items())

    @property
    def comment(self) -> str:
        """What identifies this configuration later; '' where the catalog tells as much."""
        plain = all(PLAIN_COLUMN.fullmatch(column) for column in self.columns)
        if plain and not (self.opclass or self.parameters or self.where or self.name):
            return ""
        written = json.dumps(self.to_dict(), sort_keys=True, default=str)
        return MARK + hashlib.sha256(written.encode()).hexdigest()[:16]

    def describes(self, row: Any) -> bool:
        """Whether an index of the database (a row of ``get_show_indexes_sql``) is the one configured here."""
        noted = row["description"] if str(row["description"]).startswith(MARK) else ""
        if self.comment or noted:
            return self.comment == noted
        wanted = {column.strip('"').lower() for column in self.columns}
        found = set(str(row["column_names"]).lower().split(","))
        return (wanted, self.unique, self.type or "btree") == (found, row["unique"], row["method"])

    def _problem(self) -> str | None:
        if not self.columns:
            return "columns: names at least one column"
        if self.opclass and len(self.columns) != 1:
            return (
                f"opclass: {self.opclass} belongs to one column, but columns: has {len(self.columns)}. "
                "Write the class behind its column instead: columns: ['a text_pattern_ops', 'b']"
            )
        if self.name and len(self.name.encode()) > MAX_CHARACTERS_IN_IDENTIFIER:
            return f"name: {self.name} is longer than {MAX_CHARACTERS_IN_IDENTIFIER} bytes"
        wrong = [key for key in self.parameters or {} if not re.fullmatch(r"\w+", str(key))]
        return f"parameters: {wrong[0]} is no name of a storage parameter" if wrong else None


@dataclass
class PgvectorConfig(PostgresConfig):
    """What a model's config may say on this adapter."""

    indexes: list[PgvectorIndexConfig] | None = None


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
