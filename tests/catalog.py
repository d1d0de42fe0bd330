"""What a database holds, asked for the same way on every engine, and what the engines call the same thing."""

from __future__ import annotations

import json
from typing import Any

import databases
from harness import DbtProject

TEXT = {"duckdb": "varchar", "pgvector": "text"}

# Not temporary, not the engine's own. A view that an extension brings counts as the engine's.
_RELATIONS = {
    "duckdb": """
        select schema_name, table_name from duckdb_tables() where not temporary
        union all select schema_name, view_name from duckdb_views() where not internal""",
    "pgvector": """
        select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'v', 'm', 'p') and c.relpersistence <> 't'
            and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')""",
}
_COLUMNS = {
    "duckdb": """
        select column_name, data_type from duckdb_columns() where table_name = ? and schema_name = ?
        order by column_index""",
    "pgvector": """
        select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute as a
        join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
        where a.attnum > 0 and not a.attisdropped and c.relname = ? and n.nspname = ? order by a.attnum""",
}
_COMMENTS = {
    "duckdb": """
        select '', comment from duckdb_tables() where table_name = $1 and comment is not null
        union all
        select column_name, comment from duckdb_columns() where table_name = $1 and comment is not null""",
    "pgvector": """
        select coalesce(a.attname, ''), d.description from pg_description as d
        join pg_class as c on c.oid = d.objoid
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
        where d.classoid = 'pg_class'::regclass and c.relname = ?""",
}
_INDEXES = {
    "duckdb": "select index_name, is_unique, sql from duckdb_indexes() where table_name = ? order by 1",
    "pgvector": """
        select i.relname, x.indisunique, pg_get_indexdef(x.indexrelid) from pg_index as x
        join pg_class as i on i.oid = x.indexrelid join pg_class as t on t.oid = x.indrelid
        where t.relname = ? order by 1""",
}
_CONSTRAINTS = {
    "duckdb": "select distinct constraint_type from duckdb_constraints() where table_name in (?, ?)",
    "pgvector": """
        select case contype when 'p' then 'PRIMARY KEY' when 'n' then 'NOT NULL' else contype::text end
        from pg_constraint where conrelid = ?::regclass
        union
        select 'NOT NULL' from pg_attribute as a
        join pg_class as c on c.oid = a.attrelid where c.relname = ? and a.attnotnull""",
}
_AGE = {
    "duckdb": "select table_name from duckdb_tables() order by table_oid",
    "pgvector": "select relname from pg_class where relkind = 'r' order by oid",
}


def relations(project: DbtProject) -> set[str]:
    """'schema.name' of every table and view."""
    return {".".join(row) for row in project.query(_RELATIONS[project.engine])}


def exists(project: DbtProject, name: str, schema: str = "main") -> bool:
    return f"{schema}.{name}" in relations(project)


def cache_tables(project: DbtProject) -> list[str]:
    """'samespace.embedding_cache_...' of every cache table."""
    return sorted(name for name in relations(project) if name.startswith("samespace.embedding_cache_"))


def columns(project: DbtProject, table: str, schema: str = "main") -> list[tuple[str, str]]:
    """Names and types of the columns of a table, in order."""
    return [(name, kind) for name, kind in project.query(_COLUMNS[project.engine], [table, schema])]


def comments(project: DbtProject, table: str) -> dict[str, str]:
    """Comments by column; that of the table itself under ''."""
    return dict(project.query(_COMMENTS[project.engine], [table]))


def indexes(project: DbtProject, table: str) -> list[tuple[str, bool, str]]:
    """Name, whether it is unique, and definition of every index of a table."""
    return [(name, unique, sql) for name, unique, sql in project.query(_INDEXES[project.engine], [table])]


def constraints(project: DbtProject, table: str) -> list[str]:
    return sorted(row[0] for row in project.query(_CONSTRAINTS[project.engine], [table] * 2))


def by_age(project: DbtProject, *names: str) -> list[str]:
    """Those tables, the one created first first."""
    return [name for (name,) in project.query(_AGE[project.engine]) if name in names]


def floats(value: Any) -> list[float]:
    """A vector as a query returned it."""
    return json.loads(value) if isinstance(value, str) else list(value)


def vector_name(project: DbtProject, dimension: int) -> str:
    """The type of a vector as the catalog spells it."""
    kind = databases.vector_type(project.output, dimension)
    return kind.upper() if project.engine == "duckdb" else kind
