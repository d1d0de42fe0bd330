"""The dbt-duckdb plugin: registers the functions that need Python, and nothing else.

profiles.yml:
    plugins:
      - module: samespace.duckdb_plugin
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbt.adapters.duckdb.plugins import BasePlugin

from samespace.io import duckdb_functions, duckdb_kernels

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Plugin(BasePlugin):  # type: ignore[misc]
    """Registers ``samespace_embed``, ``samespace_query_vector`` and one function per kernel."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        # dbt-duckdb opens again after a failed open: registering twice must not hide the first error.
        functions = {**duckdb_functions.FUNCTIONS, **duckdb_kernels.FUNCTIONS}
        registered = _registered(conn, list(functions))
        for name, register in functions.items():
            if name not in registered:
                register(conn)


def _registered(conn: Any, names: list[str]) -> set[str]:
    # One question: this one reads the whole catalog of functions.
    found = conn.execute(
        "select distinct function_name from duckdb_functions() where function_name in (select unnest(?))",
        [names],
    ).fetchall()
    return {name for (name,) in found}
