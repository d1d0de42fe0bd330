"""Columns and contracts with the types of extensions, users and arrays."""

from __future__ import annotations

from typing import Any

import pytest
from dbt.tests.util import get_connection, relation_from_name, run_dbt, run_dbt_and_capture

TYPES = {
    "id": "integer",
    "big": "bigint",
    "short": "character varying(10)",
    "free": "character varying",
    "body": "text",
    "code": "character(3)",
    "price": "numeric(10,2)",
    "amount": "numeric",
    "ratio": "double precision",
    "made_at": "timestamp with time zone",
    "seen_at": "timestamp(3) without time zone",
    "token": "uuid",
    "facts": "jsonb",
    "tags": "text[]",
    "codes": "character varying(5)[]",
    "whole": "vector(3)",
    "half": "halfvec(4)",
    "sparse": "sparsevec(5)",
    "any_size": "vector",
    "Mixed Case": "vector(2)",
    "order": "boolean",
    'd\'ä"x': "date",
}
INCREMENTAL = """
{{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}
select 1 as id, cast('{{ "a" * var("width", 3) }}' as varchar({{ var("width", 3) }})) as label,
    cast('[1,2,3]' as {{ var('kind', 'vector') }}(3)) as embedding
    {%- if var('width', 3) > 3 %}, cast('[1,0]' as halfvec(2)) as added{% endif %}
"""

VIEWED = "{{ config(materialized='materialized_view') }} select cast('[1,2]' as vector(2)) as v"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def columns(project: Any, name: str) -> dict[str, Any]:
    with get_connection(project.adapter):
        relation = relation_from_name(project.adapter, name)
        return {column.name: column for column in project.adapter.get_columns_in_relation(relation)}


class TestColumns:
    @pytest.fixture(scope="class")
    def models(self):
        return {
            "grows.sql": INCREMENTAL,
            "vectors.sql": VIEWED,
        }

    def test_types_are_written_as_they_were_declared(self, project):
        table = f'"{project.test_schema}"."Weird \'Table\'"'
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in TYPES.items())
        project.run_sql(f"create type {project.test_schema}.mood as enum ('glad')")
        project.run_sql(f"create domain {project.test_schema}.label as varchar(7)")
        project.run_sql(
            f"create table {table} ({listed}, "
            f"mood {project.test_schema}.mood, label {project.test_schema}.label)"
        )
        found = columns(project, "Weird 'Table'")
        written = {name: column.data_type for name, column in found.items()}
        assert written.pop("mood") == f"{project.test_schema}.mood"
        assert written.pop("label") == f"{project.test_schema}.label"
        assert written == TYPES
        # What dbt itself asks of a column.
        assert (found["short"].dtype, found["short"].string_size()) == ("character varying", 10)
        assert (found["price"].numeric_precision, found["price"].numeric_scale) == (10, 2)
        assert found["whole"].dtype == "vector"
        assert found["label"].is_string()
        texts = [name for name in found if found[name].is_string()]
        assert texts == ["short", "free", "body", "code", "label"]
        assert found["amount"].is_numeric()
        assert found["big"].is_integer()

    def test_temporary_tables_and_other_schemas(self, project):
        project.run_sql(f"create table {project.test_schema}.twin (a integer)")
        adapter = project.adapter
        with get_connection(adapter):
            twin = relation_from_name(adapter, "twin")
            adapter.execute("create temporary table twin (b vector(3))")
            temporary = twin.incorporate(path={"schema": None, "database": None})
            found = adapter.get_columns_in_relation(temporary)
            assert [column.data_type for column in found] == ["vector(3)"]
            assert [column.name for column in adapter.get_columns_in_relation(twin)] == ["a"]
            gone = twin.incorporate(path={"identifier": "nowhere"})
            assert adapter.get_columns_in_relation(gone) == []

    def test_schema_changes_of_incremental_models(self, project):
        run_dbt(["run"])
        assert columns(project, "vectors")["v"].data_type == "vector(2)"
        run_dbt(["run", "--select", "grows", "--vars", "{width: 12, kind: halfvec}"])
        found = {name: column.data_type for name, column in columns(project, "grows").items()}
        assert (found["label"], found["embedding"]) == ("character varying(12)", "halfvec(3)")
        assert (found["id"], found["added"]) == ("integer", "halfvec(2)")
        run_dbt(["run", "--select", "grows"])
        assert "added" not in columns(project, "grows")


CONTRACT = """
models:
  - name: typed
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer, constraints: [{type: not_null, warn_unsupported: false}]}
      - {name: token, data_type: uuid}
      - {name: embedding, data_type: "%s"}
      - {name: half, data_type: halfvec(2)}
      - {name: Tags, data_type: "varchar(5)[]", quote: true}
"""
TYPED = """
{{ config(
    materialized=var('as', 'table'), on_schema_change='append_new_columns', sql_header=var('header', none)
) }}
select 1 as id, cast('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' as uuid) as token,
    cast('[1,2,3]' as vector(3)) as embedding, cast('[1,2]' as halfvec(2)) as half,
    cast(array['a'] as varchar(5)[]) as "Tags"
"""


class TestContracts:
    @pytest.fixture(scope="class")
    def models(self):
        return {"typed.sql": TYPED, "typed.yml": CONTRACT % "vector(3)"}

    @pytest.mark.parametrize("kind", ["table", "view", "incremental"])
    def test_a_contract_that_holds(self, project, kind):
        arguments = ["--warn-error", "--log-level", "debug", "run", "--full-refresh", "--vars", f"as: {kind}"]
        results, log = run_dbt_and_capture(arguments)
        assert results[0].status == "success"
        assert "type_code" not in log
        assert columns(project, "typed")["embedding"].data_type == "vector(3)"

    def test_with_a_header(self, project):
        run_dbt(["run", "--full-refresh", "--vars", "header: 'set local work_mem = 5000;'"])

    def test_known_types_cost_no_view(self, project):
        with get_connection(project.adapter), pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(project.adapter), "_describe", None)
            found = project.adapter.get_column_schema_from_query("select 1 as a, 'x'::text as b where false")
        assert [(column.name, column.dtype) for column in found] == [("a", "INTEGER"), ("b", "TEXT")]


class TestBrokenContract:
    @pytest.fixture(scope="class")
    def models(self):
        return {"typed.sql": TYPED, "typed.yml": CONTRACT % "vector(4)"}

    def test_another_dimension(self, project):
        results, log = run_dbt_and_capture(["run"], expect_pass=False)
        assert "This model has an enforced contract that failed." in results[0].message
        assert "vector(3)" in log
        assert "vector(4)" in log
