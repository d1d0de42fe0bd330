"""dbt-postgres, with vector columns, their indexes, and Python jobs on dbt's own connection."""

from __future__ import annotations

import json
from typing import Any

import psycopg2.extensions
from dbt.adapters.base import available
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.pgvector.column import PgvectorColumn
from dbt.adapters.pgvector.connections import PgvectorConnectionManager
from dbt.adapters.pgvector.index_config import PgvectorConfig, PgvectorIndexConfig
from dbt.adapters.pgvector.relation import PgvectorRelation
from dbt.adapters.postgres import PostgresAdapter
from dbt_common.exceptions import DbtRuntimeError

END_OF_HEADER = "/* samespace: end of sql_header */"
DESCRIBE = """
    create temporary view __samespace_described as {query};
    select pg_catalog.format_type(atttypid, atttypmod) from pg_catalog.pg_attribute
    where attrelid = 'pg_temp.__samespace_described'::regclass and attnum > 0
    order by attnum
"""


class PgvectorAdapter(PostgresAdapter):
    ConnectionManager = PgvectorConnectionManager
    Relation = PgvectorRelation
    Column = PgvectorColumn
    AdapterSpecificConfigs = PgvectorConfig

    connections: PgvectorConnectionManager

    @available
    def parse_index(self, raw_index: Any) -> PgvectorIndexConfig | None:
        """An entry of ``indexes:``, checked."""
        return PgvectorIndexConfig.parse(raw_index)

    @available
    def end_of_header(self) -> str:
        """The comment between ``sql_header`` and the query that is described."""
        return END_OF_HEADER

    def get_column_schema_from_query(self, sql: str) -> list[PgvectorColumn]:
        """The columns of a query. psycopg2 has no names for the types of extensions, and no dimensions."""
        _, cursor = self.connections.add_select_query(sql)
        known = psycopg2.extensions.string_types
        columns = [(column.name, column.type_code) for column in cursor.description]
        formatted = [""] * len(columns)
        if any(code not in known for _, code in columns):
            formatted = self._describe(sql.rpartition(END_OF_HEADER)[2])
        return [
            self.Column.create(name, known[code].name if code in known else written)
            for (name, code), written in zip(columns, formatted, strict=True)
        ]

    def _describe(self, query: str) -> list[str]:
        _, cursor = self.connections.add_select_query(DESCRIBE.format(query=query))
        formatted = [row[0] for row in cursor.fetchall()]
        self.connections.add_select_query("drop view pg_temp.__samespace_described")
        return formatted

    def submit_python_job(self, parsed_model: dict[str, Any], compiled_code: str) -> AdapterResponse:
        """Run a job of samespace (JSON: {job, request}) in this process, on this thread's connection."""
        call = json.loads(compiled_code)
        error = self.samespace_job(call["job"], call["request"]).get("error")
        if error:
            raise DbtRuntimeError(error)
        return AdapterResponse("OK")

    @available.parse(lambda *_, **__: {})
    def samespace_job(self, job: str, request: str) -> dict[str, Any]:
        """What the job called ``job`` answers to a request (JSON)."""
        from samespace.io.postgres_jobs import JOBS

        with self.connections.exception_handler(f"samespace job {job}"), self.connections.job() as connection:
            return JOBS[job](connection, request)
