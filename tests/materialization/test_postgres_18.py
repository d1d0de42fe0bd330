"""The main path on the newest PostgreSQL: build, change, search, a kernel, a swap."""

from __future__ import annotations

from collections.abc import Callable

from databases import create_database
from harness import HASHING, DbtProject

MODELS = {
    "notes": "{{ config(materialized='embedding', model='tiny', key='id', text='body',"
    " index={'type': 'hnsw', 'build': 'always'}) }} select * from raw_notes",
    "near": "{{ config(materialized='table') }} {{ samespace.knn(ref('notes'), k=2) }}",
    "found": "{{ config(materialized='table') }} {{ samespace.search(ref('notes'), 'note number 7', k=1) }}",
    "same": "{{ config(materialized='table') }} {{ samespace.duplicates(ref('notes'), threshold=0.999) }}",
    "groups": "{{ config(materialized='table') }} {{ samespace.clusters(ref('notes'), k=3) }}",
}


def test_the_main_path(make_project: Callable[..., DbtProject]) -> None:
    output = create_database("newest", 18)
    project = make_project(
        "newest", target={**output, "threads": 2}, models={"tiny": {**HASHING, "dimension": 32}}
    )
    assert project.query("show server_version")[0][0].startswith("18")
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", sql)
    project.query(
        "create table raw_notes as select n as id, 'note number ' || (n % 50) as body "
        "from generate_series(0, 59) as t(n)"
    )
    first = project.dbt("--warn-error", "build")
    assert first.ok, first.output
    assert first.message("notes") == "EMBED 50 new, 0 cached"
    assert project.query("select body, rank from found") == [("note number 7", 1)]
    assert project.query("select count(*) from near") == [(120,)]
    assert project.query("select count(*) from same") == [(20,)]
    assert project.query("select count(*), count(distinct cluster_id) from groups") == [(60, 3)]
    project.query("delete from raw_notes where id = 0")
    project.query("update raw_notes set body = 'another text' where id = 1")
    second = project.dbt("--warn-error", "build")
    assert second.message("notes") == "EMBED 1 new, 50 cached, 1 removed", second.output
    refreshed = project.dbt("--warn-error", "build", "--full-refresh")
    assert refreshed.message("notes") == "EMBED 0 new, 51 cached", refreshed.output
