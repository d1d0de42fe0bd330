"""Connection managers of the adapter without a dbt project around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from dbt.adapters.pgvector import PgvectorConnectionManager, PgvectorCredentials, extension
from dbt.mp_context import get_mp_context


def credentials(output: dict[str, Any], **changes: Any) -> PgvectorCredentials:
    """The credentials that dbt makes of an output of profiles.yml; None takes a field away."""
    fields = {**output, **changes}
    for field in ("type", "threads", *(name for name, value in changes.items() if value is None)):
        fields.pop(field, None)
    return PgvectorCredentials.from_dict(PgvectorCredentials.translate_aliases(fields))


@contextmanager
def manager(output: dict[str, Any], **changes: Any) -> Iterator[Any]:
    """A connection manager whose thread has a (lazy) connection, in a process that has seen no database."""
    extension._ready.clear()
    made = PgvectorConnectionManager(
        SimpleNamespace(credentials=credentials(output, **changes)), get_mp_context()
    )
    made.set_skip_transactions_checker(lambda: True)
    made.set_connection_name("model.test.orders")
    try:
        yield made
    finally:
        made.cleanup_all()


def value(manager: Any, sql: str) -> Any:
    """The first value of a query on this thread's connection."""
    _, cursor = manager.add_query(sql)
    return cursor.fetchone()[0]
