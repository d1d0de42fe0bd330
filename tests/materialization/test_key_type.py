"""A key that changes its type: keys of two types do not meet, so the table is built anew from the cache."""

from __future__ import annotations

from pathlib import Path

from harness import DbtProject
from targets import Target

EMBEDDED = """
{{ config(materialized='embedding', model='hash64', key='id', text='body') }}
select * from {{ ref('notes') }}
"""


def test_numbers_become_texts(tmp_path: Path, target: Target) -> None:
    project = DbtProject(tmp_path, target={**target.output(tmp_path), "plugins": []})
    project.write("models/embedded.sql", EMBEDDED)
    project.write("models/notes.sql", "select 1 as id, 'one' as body union all select 2, 'two'")
    assert project.dbt("run", "--select", "package:scratch").ok
    project.write("models/notes.sql", "select '1' as id, 'one' as body union all select 'b', 'three'")
    done = project.dbt("run", "--select", "package:scratch")
    assert done.ok, done.output
    assert done.message("embedded") == "EMBED 1 new, 1 cached, 1 removed"
    assert project.query("select id, body, embedding is not null from embedded order by id") == [
        ("1", "one", True),
        ("b", "three", True),
    ]
