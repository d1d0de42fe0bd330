"""A PostgreSQL table after a merge and a swap: rows left alone, storage, indexes, what it replaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from catalog import columns, indexes, relations
from harness import HASHING, DbtProject, Outcome
from targets import PGVECTOR

TINY = {**HASHING, "dimension": 16}
HNSW = {"type": "hnsw", "build": "always"}
ROWS = 300
# Spread over the pages, as such changes are: each page has room for some.
RETITLED = range(10, ROWS, 10)


def head(**options: object) -> str:
    keys = {"materialized": "embedding", "model": "tiny", "key": "id", "text": "body", **options}
    return "{{ config(" + ", ".join(f"{name}={value!r}" for name, value in keys.items()) + ") }}\n"


ALL = "select id, body, subject from raw_notes"
MODELS = {
    "plain": head() + ALL,
    "half": head(storage="halfvec") + ALL,
    "moved": head(storage="STORAGE").replace("'STORAGE'", "env_var('STORAGE', 'vector')") + ALL,
    "wide": head(model="wide", index=HNSW) + ALL + " where id <= 20",
    "indexed": head(model=["tiny", "other"], index=HNSW, full_refresh="REFRESH").replace(
        "'REFRESH'", "env_var('STORAGE', 'vector') == 'halfvec'"
    )
    + ALL,
    "unindexed": head(index={"type": "hnsw"}) + ALL,
    "over_view": head() + ALL,
    "over_matview": head() + ALL,
    "by_uuid": head(key="code") + "select md5(id::text)::uuid as code, id as nr, body from raw_notes",
    "contracted": head(contract={"enforced": True}) + "select id::text as id, body from raw_notes",
}
PROPERTIES = """
models:
  - name: contracted
    columns:
      - {name: id, data_type: varchar}
      - {name: body, data_type: varchar}
      - {name: model_id, data_type: varchar}
      - {name: content_hash, data_type: varchar}
      - {name: embedding, data_type: vector(16)}
"""
CHANGES = [
    "update raw_notes set body = 'a new text' where id = 1",
    f"update raw_notes set subject = 'a new subject' where id in {tuple(RETITLED)}",
    "delete from raw_notes where id = 3",
    f"insert into raw_notes values ({ROWS + 1}, 'one more', 's')",
]
REWRITTEN = {1, 3, ROWS + 1}


@dataclass
class Told:
    """What was there after each run: where rows lie, indexes, types, what dbt printed and what it sent."""

    project: DbtProject
    runs: list[Outcome] = field(default_factory=list)
    rows: list[dict[str, dict[Any, Any]]] = field(default_factory=list)
    indexes: list[dict[str, list[tuple[Any, ...]]]] = field(default_factory=list)
    types: list[dict[str, str]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    updates: list[tuple[int, int]] = field(default_factory=list)

    def run(self, *arguments: str, **env: str) -> None:
        outcome = self.project.dbt("--warn-error", *arguments, env=env)
        assert outcome.ok, outcome.output
        self.runs.append(outcome)
        self.rows.append({name: self.places(name) for name in MODELS})
        self.indexes.append({name: indexes(self.project, name) for name in MODELS})
        self.types.append({name: dict(columns(self.project, name))["embedding"] for name in MODELS})
        self.updates += self.project.query(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'indexed'"
        )
        log = (self.project.root / "logs" / "dbt.log").read_text().rpartition("Running with dbt")[2]
        self.logs.append(" ".join(log.split()))

    def places(self, name: str) -> dict[Any, Any]:
        """(key, model_id) -> where the row lies, and which transaction wrote it."""
        key = "code" if name == "by_uuid" else "id"
        sql = f"select {key}, model_id, ctid::text, xmin::text, tableoid from {name}"
        return {(row[0], row[1]): row[2:] for row in self.project.query(sql)}


@pytest.fixture(scope="module")
def told(make_project: Callable[..., DbtProject]) -> Told:
    """Built; built again after changes; `moved` with another storage and `indexed` refreshed in full."""
    project = make_project(
        "tables", on=PGVECTOR, target={"threads": 4},
        models={"tiny": TINY, "other": {**TINY, "version": 2}, "wide": {**TINY, "dimension": 2100}},
    )  # fmt: skip
    project.write("models/_models.yml", PROPERTIES)
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", sql)
    for sql in (
        "create table raw_notes as select n as id, 'note ' || n as body, 's' as subject "
        f"from generate_series(1, {ROWS}) as t(n)",
        "create view over_view as select 1 as one",
        "create materialized view over_matview as select 2 as two",
    ):
        project.query(sql)
    made = Told(project)
    made.run("run")
    for sql in CHANGES:
        project.query(sql)
    made.run("run")
    made.run("run", "--select", "moved", "indexed", STORAGE="halfvec")
    return made


@pytest.mark.parametrize("name", ["plain", "half", "indexed", "contracted"])
def test_a_merge_touches_changed_rows_only(told: Told, name: str) -> None:
    before, after = told.rows[0][name], told.rows[1][name]
    assert len(after) == ROWS * (2 if name == "indexed" else 1)
    assert len({place[-1] for place in after.values()}) == 1
    same = {key for key in after if before.get(key) == after[key]}
    touched = {int(key[0]) for key in set(before) | set(after)} - {int(key[0]) for key in same}
    # A column that the model does not select does not count.
    assert touched == (REWRITTEN if name == "contracted" else REWRITTEN | set(RETITLED))


def test_keys_of_type_uuid_are_merged(told: Told) -> None:
    before, after = told.rows[0]["by_uuid"], told.rows[1]["by_uuid"]
    assert len({key for key in after if before.get(key) == after[key]}) == ROWS - 2
    assert told.runs[1].message("by_uuid").endswith("cached, 1 removed")


def test_changes_of_other_columns_leave_vectors_and_indexes_alone(told: Told) -> None:
    updates = re.findall(r'update \S*"indexed" as _old set (.*?) from', told.logs[1])
    assert len(updates) == 2
    assert "embedding" not in updates[0] and "embedding" in updates[1]
    updated, hot = told.updates[1]
    # One text changed, for two models: these rows need a new place in the graph. The others keep theirs.
    assert (updated, hot) == (2 * (len(RETITLED) + 1), 2 * len(RETITLED)), f"HOT share {hot / updated:.2f}"


def test_storage_and_its_change(told: Told) -> None:
    assert told.types[0]["plain"] == told.types[0]["moved"] == "vector(16)"
    assert told.types[0]["half"] == told.types[2]["moved"] == "halfvec(16)"
    assert told.types[0]["wide"] == "vector(2100)"
    assert told.runs[2].message("moved") == f"EMBED 0 new, {ROWS} cached"
    far = "half.embedding::vector <=> plain.embedding > 0.001"
    assert told.project.query(f"select count(*) from half join plain using (id) where {far}") == [(0,)]


def test_one_partial_index_per_model_is_built_and_kept_by_a_merge(told: Told) -> None:
    first, second, third = (run["indexed"] for run in told.indexes)
    ids = told.project.query("select distinct model_id from indexed order by 1")
    predicates = sorted(
        re.findall(r"WHERE \(+model_id\)?:*\w* = '([^']*)'", " ".join(sql for *_, sql in first))
    )
    assert predicates == [model_id for (model_id,) in ids]
    assert all(
        "USING hnsw (embedding vector_cosine_ops) WITH (m='16', ef_construction='64')" in sql
        for *_, sql in first
    )
    assert first == second
    assert len(third) == 2 and not set(first) & set(third)
    valid = "select bool_and(indisvalid and indisready) from pg_index where indrelid = 'indexed'::regclass"
    assert told.project.query(valid) == [(True,)]


def test_indexes_are_built_before_the_swap(told: Told) -> None:
    log = told.logs[2]
    swap = re.search(r'alter table \S*"indexed__dbt_tmp" rename to', log)
    assert swap is not None
    assert 0 < log.rindex('create index "samespace_hnsw') < swap.start()


def test_more_than_2000_dimensions_are_indexed_in_half_precision(told: Told) -> None:
    ((_, _, sql),) = told.indexes[0]["wide"]
    assert "halfvec(2100)) halfvec_cosine_ops" in sql
    assert (
        "as halfvec: pgvector indexes a vector of more than 2,000 dimensions in half precision only"
        in told.runs[0].output
    )


def test_a_small_relation_gets_no_index_by_itself(told: Told) -> None:
    assert told.indexes[0]["unindexed"] == []


def test_a_view_and_a_materialized_view_give_way_to_the_table(told: Told) -> None:
    kinds = told.project.query(
        "select relname, relkind::text from pg_class where relname like 'over_%' order by 1"
    )
    assert kinds == [("over_matview", "r"), ("over_view", "r")]
    assert {name for name in relations(told.project) if name.startswith("main.")} == {
        "main.raw_notes", *(f"main.{name}" for name in MODELS),
    }  # fmt: skip
