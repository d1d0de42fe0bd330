"""Rights in the package's own schema on PostgreSQL: what is granted, and what to say where one is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from samespace.errors import StorageError
from samespace.io._schema import CACHE_PREFIX, TABLES
from samespace.io._store import quote

if TYPE_CHECKING:
    from samespace.io._session import Session

BUILD_TABLES = ("select", "insert", "update", "delete")
RIGHTS = {"build": ("usage, create", BUILD_TABLES), "read": ("usage", ("select",))}
PUBLIC = "public"

MISSING_ON_SCHEMA = """
    select r.role, r.kind
    from unnest(cast(? as text[]), cast(? as text[])) as r(role, kind)
    cross join pg_namespace as n
    where n.nspname = ?
        and pg_has_role(n.nspowner, 'usage')
        and not (
            has_schema_privilege(r.role, n.oid, 'usage')
            and (r.kind = 'read' or has_schema_privilege(r.role, n.oid, 'create'))
        )
    order by 1, 2"""
# The owner of the schema builds in it too: tables that another role makes there have to serve him.
MISSING_ON_TABLES = """
    with asked as (
        select * from unnest(cast(? as text[]), cast(? as text[])) as r(role, kind)
        union
        select cast(o.rolname as text), 'build'
        from pg_namespace as n
        inner join pg_roles as o on o.oid = n.nspowner
        where n.nspname = ? and o.rolname not like 'pg!_%' escape '!'
    )
    select asked.role, asked.kind, c.relname
    from asked
    cross join pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = ?
        and c.relkind in ('r', 'p')
        and (c.relname = any(cast(? as text[])) or starts_with(c.relname, ?))
        and pg_has_role(c.relowner, 'usage')
        and not (
            has_table_privilege(asked.role, c.oid, 'select')
            and (
                asked.kind = 'read'
                or (
                    has_table_privilege(asked.role, c.oid, 'insert')
                    and has_table_privilege(asked.role, c.oid, 'update')
                    and has_table_privilege(asked.role, c.oid, 'delete')
                )
            )
        )
    order by 1, 2, 3"""


def rights_sentence(role: str, schema: str, said: str) -> str:
    """What to run where the database refuses a role something in the schema."""
    who, where = quote(role), quote(schema)
    return (
        f"samespace: the role {role} lacks a right in the schema {schema} ({said}). Let the owner of the "
        "schema or an administrator run\n"
        f"    create schema if not exists {where};\n"
        f"    grant usage, create on schema {where} to {who};\n"
        f"    grant {', '.join(BUILD_TABLES)} on all tables in schema {where} to {who};\n"
        f"or let every role that builds list {role} in the var samespace_grants, or point the var "
        f"samespace_schema at a schema that {role} may write to."
    )


def apply(session: Session, grants: Mapping[str, Sequence[str]], lock: int) -> None:
    """Grant what the roles lack, on the schema and on every table of ours that the current role owns.

    ``grants``: {"build": [roles], "read": [roles]}. ``lock``: two sessions that grant at once would fail on
    one row of the catalog. Raises StorageError for a role that does not exist.
    """
    kinds = [(role, kind) for kind in RIGHTS for role in grants.get(kind) or []]
    roles = [[role for role, _ in kinds], [kind for _, kind in kinds]]
    if not _missing(session, roles):
        return
    with session.unit():
        session.run("select pg_advisory_xact_lock(?)", [lock])
        for statement in _missing(session, roles):
            session.run(statement)


def _missing(session: Session, roles: list[list[str]]) -> list[str]:
    """The GRANT statements that are due."""
    _check_roles(session, roles[0])
    schema = quote(session.schema)
    statements = [
        f"grant {RIGHTS[kind][0]} on schema {schema} to {quote(role)}"
        for role, kind in session.rows(MISSING_ON_SCHEMA, [*roles, session.schema])
    ]
    values = [*roles, session.schema, session.schema, list(TABLES), CACHE_PREFIX]
    return statements + [
        f"grant {', '.join(RIGHTS[kind][1])} on {schema}.{quote(name)} to {quote(role)}"
        for role, kind, name in session.rows(MISSING_ON_TABLES, values)
    ]


def _check_roles(session: Session, roles: Sequence[str]) -> None:
    if not roles:
        return
    found = session.rows("select rolname from pg_roles where rolname = any(cast(? as text[]))", [list(roles)])
    unknown = sorted(set(roles) - {row[0] for row in found} - {PUBLIC})
    if unknown:
        raise StorageError(
            f"samespace: the var samespace_grants names {', '.join(unknown)}, which is no role of this "
            "server. Create the role, or correct the name (upper and lower case count)."
        )
