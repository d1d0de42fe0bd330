"""Indexes with an operator class, storage parameters, a predicate and a name."""

from __future__ import annotations

from typing import Any

import pytest
from dbt.adapters.exceptions import IndexConfigError
from dbt.adapters.pgvector.index_config import PgvectorIndexConfig
from dbt.tests.util import run_dbt, run_dbt_and_capture, write_file

HNSW = """{
    'columns': ['embedding'], 'type': 'hnsw', 'opclass': 'vector_cosine_ops',
    'parameters': {'m': %s, 'ef_construction': 40}, 'where': "model_id = 'a@1'", 'name': 'by_similarity'
}"""
PLAIN = "{'columns': ['id'], 'unique': true}"
SELECT = "select 1 as id, 'a@1' as model_id, cast('[1,2,3]' as vector(3)) as embedding"


def model(kind: str, *indexes: str) -> str:
    listed = ", ".join(indexes).replace("by_similarity", f"by_similarity_{kind}")
    return f"{{{{ config(materialized='{kind}', unique_key='id', indexes=[{listed}]) }}}}\n{SELECT}"


def definitions(project: Any, table: str) -> dict[str, str]:
    rows = project.run_sql(
        f"select indexname, indexdef from pg_indexes where schemaname = '{project.test_schema}' "
        f"and tablename = '{table}'",
        fetch="all",
    )
    return dict(rows)


def oids(project: Any, table: str) -> set[int]:
    sql = f"select indexrelid from pg_index where indrelid = '{project.test_schema}.{table}'::regclass"
    return {row[0] for row in project.run_sql(sql, fetch="all")}


class TestIndexes:
    @pytest.fixture(scope="class")
    def models(self):
        names = {"tabled": "table", "added": "incremental", "viewed": "materialized_view"}
        return {f"{name}.sql": model(kind, HNSW % 8, PLAIN) for name, kind in names.items()}

    @pytest.mark.parametrize("arguments", ["run", "run  ", "run --full-refresh"])
    def test_they_are_there_after_every_run(self, project, arguments):
        run_dbt(["--warn-error", *arguments.split()])
        for table, kind in {"tabled": "table", "added": "incremental", "viewed": "materialized_view"}.items():
            found = definitions(project, table)
            assert len(found) == 2
            written = found[f"by_similarity_{kind}"]
            assert "USING hnsw (embedding vector_cosine_ops) WITH (m='8', ef_construction='40')" in written
            assert "WHERE (model_id = 'a@1'::text)" in written
            assert any("UNIQUE INDEX" in text and "btree (id)" in text for text in found.values())

    def test_a_materialized_view_changes_only_what_changed(self, project):
        run_dbt(["run", "--select", "viewed"])
        before = oids(project, "viewed")
        run_dbt(["run", "--select", "viewed"])
        assert oids(project, "viewed") == before
        write_file(model("materialized_view", HNSW % 12, PLAIN), project.project_root, "models", "viewed.sql")
        run_dbt(["run", "--select", "viewed"])
        assert len(oids(project, "viewed") & before) == 1
        assert "m='12'" in definitions(project, "viewed")["by_similarity_materialized_view"]

    def test_a_name_that_another_table_has(self, project):
        run_dbt(["run", "--select", "tabled"])
        write_file(model("table", HNSW % 8), project.project_root, "models", "thief.sql")
        results, _ = run_dbt_and_capture(["run", "--select", "thief"], expect_pass=False)
        assert "the index name 'by_similarity_table' of" in results[0].message
        assert "the table 'tabled'" in results[0].message
        assert len(definitions(project, "tabled")) == 2


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"columns": ["a", "b"], "opclass": "text_ops"}, "opclass: text_ops belongs to one column"),
        ({"columns": ["a"], "name": "x" * 64}, "is longer than 63 bytes"),
        ({"columns": ["a"], "parameters": {"m) tablespace x": 1}}, "is no name of a storage parameter"),
        ({"columns": []}, "at least one column"),
        ({"columns": ["a"], "with": {"m": 16}}, "'with' was unexpected"),
    ],
)
def test_a_wrong_entry_is_explained(entry, said):
    with pytest.raises(IndexConfigError, match=r".") as raised:
        PgvectorIndexConfig.parse(entry)
    assert said in str(raised.value)
