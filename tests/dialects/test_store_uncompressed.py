"""store_uncompressed: vectors of a DuckDB file lose their compression and nothing else."""

from __future__ import annotations

NOTES = """{{ config(materialized='embedding', model='hash64', key='id', text='body',
    persist_docs={'relation': true, 'columns': true}) }}
select i as id, 'note number ' || i as body from range(%d) as t(i)"""
DOCS = "models: [{name: notes, description: what people wrote, columns: [{name: body, description: a text}]}]"
PACKED = (
    "select count(*) from pragma_storage_info('notes') where column_name = 'embedding' "
    "and segment_type = 'FLOAT' and compression <> 'Uncompressed'"
)


def test_vectors_are_stored_as_they_are(make_project) -> None:
    project = make_project("uncompressed")
    project.write("models/notes.sql", NOTES % 5000)
    project.write("models/notes.yml", DOCS)
    assert project.dbt("run").ok
    assert project.query(PACKED)[0][0] > 0
    rows = project.query("select rowid, * from notes order by all")
    outcome = project.dbt("run-operation", "samespace.store_uncompressed", "--args", "{relation: main.notes}")
    assert outcome.ok, outcome.output
    assert "samespace.store_uncompressed: notes: 5,000 rows, vectors of 1 MB as they are" in outcome.output
    assert project.query(PACKED) == [(0,)]
    assert project.query("select rowid, * from notes order by all") == rows
    assert project.query("select comment from duckdb_columns() where column_name = 'body'") == [("a text",)]
    project.write("models/notes.sql", NOTES % 5001)
    outcome = project.dbt("run")
    assert outcome.message("notes").startswith("EMBED 1 new"), outcome.output
    outcome = project.dbt("run-operation", "samespace.store_uncompressed")
    assert outcome.ok, outcome.output
    assert project.query(PACKED) == [(0,)]
    assert project.query("select count(*) from notes") == [(5001,)]


def test_what_it_says_otherwise(make_project, target) -> None:
    project = make_project("uncompressed_not", on=target)
    outcome = project.dbt("run-operation", "samespace.store_uncompressed", "--args", "{relation: elsewhere}")
    assert not outcome.ok
    if project.engine != "duckdb":
        assert "pgvector stores vectors as they are, so there is nothing to do here" in outcome.output
        return
    assert "'elsewhere' is no embedding relation of this database; known: none" in outcome.output


def test_in_memory(make_project) -> None:
    project = make_project("uncompressed_memory", target={"path": ":memory:"})
    outcome = project.dbt("run-operation", "samespace.store_uncompressed")
    assert "samespace.store_uncompressed: " in outcome.output
    assert "is in memory, where nothing is compressed" in outcome.output
