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
        for name, register in {**duckdb_functions.FUNCTIONS, **duckdb_kernels.FUNCTIONS}.items():
            if not _registered(conn, name):
                register(conn)


def _registered(conn: Any, name: str) -> bool:
    found = conn.execute("select 1 from duckdb_functions() where function_name = ?", [name]).fetchall()
    return bool(found)
