"""How kernels run inside dbt on PostgreSQL: while a model renders, if it is built, on the rows it sees."""

from __future__ import annotations

import pytest
from harness import DbtProject
from targets import PGVECTOR
from vectors import FIRST, SECOND, sources, store, unit_rows

ROWS = unit_rows(60)
# Keys that a locale sorts in another order than their bytes, and two ids that only case tells apart.
KEYS = [f"{'aBcDé_-Z'[n % 8]}{7 * n % 60:02d}" for n in range(60)]
TABLE = "{{ config(materialized='table'%s) }}\n"
CALLS = {
    "knn": "knn(source('raw', 'rows'), k=3, key='id'%s)",
    "pairs": "duplicate_pairs(source('raw', 'rows'), threshold=0.5, key='id'%s)",
    "within": "within_threshold(source('raw', 'rows'), threshold=0.3, key='id'%s)",
    "groups": "duplicates(source('raw', 'rows'), threshold=0.5, key='id'%s)",
}
CLUSTERS = "samespace.clusters(source('raw', '%s'), k=3, key='id')"
HOOK = ", pre_hook=\"%s {{ source('raw', 'hooked') }} %s\""
HOOKED = "clusters(source('raw', 'hooked'), k=3, key='id')"
NOTHING = "duplicate_pairs(source('raw', 'hooked'), threshold=1, key='id', method='kernel')"
# What a hook does between kernel and statement, also where the count stays or the kernel found nothing.
HOOKS = {
    "deleted": ("delete from", "where id = 3", HOOKED),
    "renamed": ("update", "set id = id + 100 where id = 4", HOOKED),
    "moved": ("update", f"set model_id = '{SECOND}' where id = 5", HOOKED),
    "unfound": ("delete from", "where id = 6", NOTHING),
}


@pytest.fixture(scope="module")
def project(make_project) -> DbtProject:
    project = make_project("carrier", on=PGVECTOR)
    store(
        project, "rows", [*KEYS, *KEYS[:9]], [*ROWS, *ROWS[:9]], [FIRST] * 60 + [FIRST.upper()] * 9, "varchar"
    )
    store(project, "hooked", list(range(60)), ROWS, [FIRST] * 60)
    project.write("models/sources.yml", sources("rows", "hooked"))
    for name, call in CALLS.items():
        for method in ("sql", "kernel"):
            text = "{{ samespace." + call % f", method='{method}'" + " }}"
            project.write(f"models/{name}_{method}.sql", TABLE % "" + text)
    project.write("models/grouped.sql", TABLE % "" + "{{ " + CLUSTERS % "rows" + " }}")
    two = (
        "with a as ({{ samespace.%s }}), b as ({{ samespace.%s }})"
        " select 1 as n, * from a union all select 2, * from b"
    )
    same = (CALLS["knn"] % ", method='kernel'", CALLS["knn"] % ", method='kernel', where=\"label = 'odd'\"")
    project.write("models/two.sql", TABLE % "" + two % same)
    state = "samespace.rows_state([samespace._as_relation(source('raw', 'hooked'), 'knn', key='id')])"
    project.write(
        "models/state.sql", "{{ config(materialized='view') }}\nselect {{ " + state + " }} as state"
    )
    for name, (start, end, call) in HOOKS.items():
        project.write(
            f"models/hooks/{name}.sql", TABLE % (HOOK % (start, end)) + "{{ samespace." + call + " }}"
        )
    project.first = project.dbt("run")
    return project


@pytest.mark.parametrize("name", CALLS)
def test_kernel_equals_sql(project: DbtProject, name: str) -> None:
    one, other = f"select * from {name}_kernel", f"select * from {name}_sql"
    counts = project.query(f"select (select count(*) from {name}_kernel), (select count(*) from {name}_sql)")
    assert counts[0][0] == counts[0][1] > 0
    assert project.query(f"({one} except {other}) union all ({other} except {one})") == []


def test_two_kernels_in_one_model(project: DbtProject) -> None:
    found = "query_key, neighbour_key, similarity, rank"
    assert project.query(
        f"select {found} from two where n = 1 except select {found} from knn_kernel union all "
        f"(select {found} from knn_kernel except select {found} from two where n = 1)"
    ) == []  # fmt: skip
    assert project.query("select count(*) from two where n = 2") != project.query(
        "select count(*) from knn_kernel"
    )


@pytest.mark.parametrize("name", HOOKS)
def test_other_rows_than_the_kernel_read_stop_the_model(project: DbtProject, name: str) -> None:
    message = project.first.message(name)
    macro = HOOKS[name][2].split("(")[0]
    assert (
        f"samespace.{macro}: the rows of 'hooked' differ from one reading to the next: changed by" in message
    )
    assert "a kernel reads before hooks run" in message


def test_the_state_of_rows(project: DbtProject) -> None:
    """It changes with keys and model_ids, NULLs included, and with nothing else."""

    def state() -> str:
        return project.query("select state from state")[0][0]

    before, seen = state(), []
    project.query("update hooked set label = 'other' where id = 7")
    project.query("create table hooked_again as select * from hooked order by id desc")
    project.query("delete from hooked")
    project.query("insert into hooked select * from hooked_again")
    assert state() == before
    for change in (
        "id = 1007 where id = 7", "model_id = null where id = 8", "id = null where id = 9",
        f"model_id = '{FIRST} ' where id = 10", f"model_id = '{FIRST.upper()}' where id = 11",
    ):  # fmt: skip
        project.query(f"update hooked set {change}")
        seen.append(state())
    assert len({before, *seen}) == len(seen) + 1


def test_compile_and_empty_run_no_kernel(project: DbtProject) -> None:
    project.query("drop table grouped")
    compiled = project.dbt("compile", "--select", "grouped")
    assert compiled.ok, compiled.output
    assert (
        "where false /* samespace_clusters(): the rows come when dbt builds the model */" in compiled.output
    )
    empty = project.dbt("run", "--empty", "--select", "grouped")
    assert empty.ok, empty.output
    assert project.query("select key, cluster_id, similarity_to_centroid, model_id from grouped") == []
    types = (
        "select attname, format_type(atttypid, null) from pg_attribute where attrelid = 'grouped'::regclass"
    )
    assert project.query(f"{types} and attnum in (2, 3) order by 1") == [
        ("cluster_id", "bigint"), ("similarity_to_centroid", "double precision")
    ]  # fmt: skip


def test_with_autocommit(project: DbtProject) -> None:
    """dbt then sends BEGIN and COMMIT itself."""
    project.target["autocommit"] = True
    project.configure()
    done = project.dbt("run", "--select", "grouped", "two")
    del project.target["autocommit"]
    project.configure()
    assert done.ok, done.output
    assert project.query("select count(*), count(distinct cluster_id) from grouped") == [(69, 3)]


def test_plain_postgres_says_what_to_change(project: DbtProject) -> None:
    """The SQL method needs no adapter of ours; a kernel does."""
    project.target["type"] = "postgres"
    project.write("models/knn_auto.sql", TABLE % "" + "{{ samespace." + CALLS["knn"] % "" + " }}")
    project.configure()
    done = project.dbt("run", "--select", "knn_auto", "knn_kernel", "grouped")
    compiled = project.dbt("compile", "--select", "grouped")
    project.target["type"] = "pgvector"
    project.configure()
    assert done.message("knn_auto") == "SELECT 207"
    for name, macro in (("knn_kernel", "knn"), ("grouped", "clusters")):
        assert f"samespace.{macro}: type: postgres runs no kernels. Say type: pgvector" in done.message(name)
    assert compiled.ok, compiled.output
