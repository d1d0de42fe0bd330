"""The extension ``vector``: created where a database lacks it; one clear sentence where that cannot be."""

from __future__ import annotations

import threading
from typing import Any

import psycopg2
from dbt.adapters.exceptions import FailedToConnectError

_ready: set[tuple[Any, ...]] = set()
_lock = threading.Lock()

# In one statement string, so in one transaction with autocommit as well: of two processes that create the
# extension at once, one waits instead of failing with a duplicate key.
CREATE = """
    select pg_advisory_xact_lock(hashtext('samespace: create extension vector'));
    create extension if not exists vector{schema}
"""
INSTALLED = """
    select n.nspname, has_schema_privilege(n.oid, 'usage'), current_setting('search_path')
    from pg_catalog.pg_extension as e
    inner join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'vector'
"""
AVAILABLE = "select true from pg_catalog.pg_available_extensions where name = 'vector'"
USABLE = "select to_regtype('vector') is not null"
PUBLIC = "select 'public' = any(current_schemas(false))"


def ensure(handle: Any, credentials: Any) -> None:
    """Make the type ``vector`` usable through a new session. Asks the server once per process and database.

    Raises FailedToConnectError with what to run, or which field of the profile to change.
    """
    key = (
        credentials.host, credentials.port, credentials.database, credentials.user, credentials.role,
        credentials.search_path,
    )  # fmt: skip
    with _lock:
        if key in _ready:
            return
        with handle.cursor() as cursor:
            _ensure(cursor, credentials)
        handle.commit()
        _ready.add(key)


def _ensure(cursor: Any, credentials: Any) -> None:
    if _first(cursor, USABLE)[0]:
        return
    where = f'the database "{credentials.database}"'
    installed = _first(cursor, INSTALLED)
    if installed:
        raise FailedToConnectError(_unreachable(where, credentials, *installed))
    if not _first(cursor, AVAILABLE):
        raise FailedToConnectError(
            f"samespace: the server of {where} does not have the extension vector. Install pgvector there "
            "(on a managed server: allow the extension vector; else see "
            "https://github.com/pgvector/pgvector#installation), and run dbt again."
        )
    _create(cursor, where)


def _create(cursor: Any, where: str) -> None:
    # Where nothing says otherwise the first schema of the search_path would get it: in development somebody's
    # own schema, which the others do not see.
    schema = " schema public" if _first(cursor, PUBLIC)[0] else ""
    try:
        cursor.execute(CREATE.format(schema=schema))
    except psycopg2.Error as error:
        parts = (error.diag.message_primary, error.diag.message_hint)
        said = ": ".join(part.rstrip(".") for part in parts if part)
        raise FailedToConnectError(
            f"samespace: {where} does not have the extension vector, and this role may not create it "
            f"({said}). Have an administrator run there, once:  create extension vector;"
        ) from error


def _unreachable(where: str, credentials: Any, schema: str, usage: bool, path: str) -> str:
    start = f'samespace: the extension vector of {where} is in the schema "{schema}", '
    if not usage:
        role = credentials.role or credentials.user
        return f'{start}which this role may not use. Run:  grant usage on schema "{schema}" to "{role}";'
    wanted = f"{path}, {schema}" if path.strip() else schema
    return (
        f"{start}which is not on the search_path ({path}). Write into the output of profiles.yml:  "
        f"search_path: '{wanted}'"
    )


def _first(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()
