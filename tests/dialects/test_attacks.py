"""Attacks on the one promise: whatever is thrown at a macro, no row of its result joins two spaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from databases import vector_type
from harness import HASHING, DbtProject
from vectors import DIMENSION, FIRST, SECOND, literal, refusal, sources, store, unit_rows

ROWS = 20
SPEC = {**HASHING, "dimension": DIMENSION}
TABLE = "{{ config(materialized='table') }}\n"
# Every even row has a twin in the other space: a crossing would be the best hit of all.
VECTORS = unit_rows(ROWS)
VECTORS[1::2] = VECTORS[0::2]
VECTOR = literal(VECTORS[0])
PAIRS = {
    "knn": "k=30", "within_threshold": "threshold=-1", "duplicate_pairs": "threshold=-1",
    "duplicates": "threshold=0.5",
}  # fmt: skip
TABLES = {
    "look_alike": "select id, label, model_id, embedding from cased",
    "without_id": "select id, label, case when id <= 11 then model_id end as model_id, embedding from mix",
    "without_key": "select case when id <> 3 then id end as id, label, model_id, embedding from mix",
    "asked_without_id": "select id, label, case when id > 0 then 'a@1' end as model_id, embedding from mix",
    "struct_names": "select *, ROW as r, ROW as q, ROW as n, ROW as s from mix",
    "forged": "select *, CLAIM as p from mix",
    "crossing": f"select 0 as left_key, 1 as right_key, '{FIRST}' as model_id",
    "other_clusters": "select id as key, 1 as cluster_id, 0.5 as similarity_to_centroid, "
    "'old@33333333' as model_id from mix",
    "old_clusters": f"select id as key, 40 + id % 2 as cluster_id, '{SECOND}' as model_id from mix",
    "documents": "select id, 'text number ' || id as body from mix",
}
# Values with fields named like ours, in columns named like our aliases.
STRUCTS = {
    "duckdb": {
        "ROW": "{'model_id': 'x', 'embedding': 1, 'key': 0, 'ordinal': 0}",
        "CLAIM": "{'left_key': 0, 'right_key': 1, 'model_id': model_id}",
    },
    "pgvector": {
        "ROW": "cast(row('x', 1, 0, 0) as disguise)", "CLAIM": "cast(row(0, 1, model_id) as claim)",
    },
}  # fmt: skip
TYPES = [
    "create type disguise as (model_id text, embedding integer, key integer, ordinal integer)",
    "create type claim as (left_key integer, right_key integer, model_id text)",
]
WHERES = {
    "always": "1 = 1 or false", "comment": "id < 100 -- and nothing else", "unbalanced": "true) or (true",
}  # fmt: skip


def call(macro: str, table: str, arguments: str, head: str = TABLE) -> str:
    return head + f"{{{{ samespace.{macro}(source('raw', '{table}'), {arguments}, key='id') }}}}"


def fill(project: DbtProject) -> None:
    ids = [FIRST, SECOND] * (ROWS // 2)
    for name in ("mix", "hooked"):
        store(project, name, list(range(ROWS)), VECTORS, ids)
    store(project, "cased", list(range(ROWS)), VECTORS, ["alpha@11111111", "ALPHA@11111111"] * (ROWS // 2))
    for statement in TYPES if project.engine == "pgvector" else []:
        project.query(statement)
    row, claim = (STRUCTS[project.engine][word] for word in ("ROW", "CLAIM"))
    for name, select in TABLES.items():
        project.query(f"create table {name} as {select.replace('ROW', row).replace('CLAIM', claim)}")
    if project.engine == "duckdb":
        project.query("alter table look_alike alter model_id type varchar collate nocase")
    project.query("create view shuffled as select * from mix order by random() limit 15")


def pair_models() -> Iterator[tuple[str, str]]:
    for macro, how in PAIRS.items():
        for method in ("sql", "kernel"):
            for table in ("mix", "look_alike", "without_id", "without_key", "struct_names"):
                yield f"{table}_{macro}_{method}", call(macro, table, f"{how}, method='{method}'")
            for name, where in WHERES.items():
                more = f"{how}, method='{method}', where='{where}'"
                yield f"where_{name}_{macro}_{method}", call(macro, "mix", more)


PAIR_MODELS = dict(pair_models())
HOOKED = "{{ config(materialized='table', pre_hook='delete from main.hooked where id = 3') }}\n"
SEARCHES = {
    "search_vector": call("search", "look_alike", f"query_vector='{VECTOR}', query_model='{FIRST}'"),
    "search_key": call("search", "look_alike", f"query_key=2, model='{FIRST}', k=30"),
    "search_struct": call("search", "struct_names", f"query_vector='{VECTOR}', query_model='{FIRST}', k=30"),
    "search_unbalanced": call(
        "search", "mix", f"query_vector='{VECTOR}', query_model='{FIRST}', k=30, where='true) or (true'"
    ),
}
REFUSED = {
    "hooked_knn": (call("knn", "hooked", "k=3", HOOKED), "differ from one reading to the next"),
    "random_knn": (call("knn", "shuffled", "k=3, method='kernel'"), "'shuffled'"),
    "labels_of_another_model": (
        TABLE + "{{ samespace.cluster_labels(source('raw', 'other_clusters'), source('raw', 'mix'), "
        "key='id', text='label') }}",
        "old@33333333",
    ),
    "semicolon": (call("knn", "mix", "where='true; select 1'"), "syntax error"),
    "unknown_id": (
        call("search", "mix", f"query_vector='{VECTOR}', query_model='gone@99999999'"),
        "They are different spaces",
    ),
    "id_with_a_blank": (
        call("search", "mix", f"query_vector='{VECTOR}', query_model='{FIRST} '"),
        "there is no model",
    ),
    "row_without_id": (call("search", "asked_without_id", "query_key=0"), "They are different spaces"),
    "key_of_several": (call("search", "mix", "query_key=0"), "holds several spaces"),
    "bare_vector": (call("search", "mix", f"query_vector='{VECTOR}'"), "a bare vector never travels alone"),
    "text_of_unknown": (call("search", "mix", "query='text'"), "nothing is known about the model"),
    "two_relations": (
        TABLE + "{{ samespace.knn(source('raw', 'mix'), queries=ref('docs'), key='id') }}",
        "They are different spaces",
    ),
    "similarity_of_two": (
        TABLE + "select {{ samespace.similarity(samespace.embed('a', 'body'), "
        "samespace.embed('b', 'body')) }} as s from {{ source('raw', 'documents') }}",
        "They are different spaces",
    ),
}  # fmt: skip
for macro in list(PAIRS)[1:]:
    for method in ("sql", "kernel"):
        REFUSED[f"unnamed_{macro}_{method}"] = (
            call(macro, "mix", f"threshold={{'a': 0.5}}, method='{method}'"),
            "but the relation also holds",
        )


@pytest.fixture(scope="module")
def project(make_project, target):
    models = {"a": SPEC, "b": {**SPEC, "version": "2"}}
    project = make_project("attacks", on=target, models=models)
    fill(project)
    project.write("models/sources.yml", sources("mix", "hooked", "shuffled", *TABLES))
    project.write(
        "models/docs.sql",
        "{{ config(materialized='embedding', model=var('of', 'a'), key='id', text='body') }}\n"
        "select * from {{ source('raw', 'documents') }}",
    )
    view = "{{ config(materialized='view') }}\n"
    project.write(
        "models/stale_text.sql", view + "{{ samespace.search(ref('docs'), query='text number 4') }}"
    )
    project.write("models/stale_docs.sql", view + "select * from {{ ref('docs') }}")
    project.write(
        "models/stale_through_view.sql", view + "{{ samespace.search(ref('stale_docs'), query='text') }}"
    )
    project.write(
        "models/numbered.sql",
        call("clusters", "mix", "k=2, where='label = ''even''', previous=source('raw', 'old_clusters')")
        .replace("''even''", "\\'even\\'"),
    )  # fmt: skip
    project.write(
        "tests/forged.sql",
        "{{ samespace.test_no_cross_space_pairs(source('raw', 'crossing'), source('raw', 'forged'), "
        "key='id') }}",
    )
    for name, text in {**PAIR_MODELS, **SEARCHES, **{n: t for n, (t, _) in REFUSED.items()}}.items():
        project.write(f"models/{name}.sql", text)
    return project


@pytest.fixture(scope="module")
def built(project):
    outcome = project.dbt("build", env={"OPENBLAS_NUM_THREADS": "1"})
    assert outcome.results, outcome.output
    return outcome.output, {r["unique_id"].split(".")[2]: r for r in outcome.results}


def space_of_key(key: int) -> int:
    """Spaces alternate over the keys of every table but ``without_id``, where rows above 11 have none."""
    return key % 2


@pytest.mark.parametrize("name", PAIR_MODELS)
def test_no_pair_joins_two_spaces(project, built, name: str) -> None:
    assert built[1][name]["status"] == "success", built[1][name]["message"]
    columns = {
        "knn": "query_key, neighbour_key", "within": "query_key, neighbour_key",
        "pairs": "left_key, right_key", "duplicates": "key, canonical_key",
    }  # fmt: skip
    kind = next(word for word in ("knn", "within", "pairs", "duplicates") if word in name)
    found = project.query(f'select {columns[kind]} from "{name}"')
    assert found or kind == "duplicates"
    assert not [pair for pair in found if space_of_key(pair[0]) != space_of_key(pair[1])]
    if name.startswith("without_id"):
        assert max(max(pair) for pair in found or [(0, 0)]) <= 11


@pytest.mark.parametrize("name", SEARCHES)
def test_no_answer_is_of_another_space(project, built, name: str) -> None:
    assert built[1][name]["status"] == "success", built[1][name]["message"]
    found = [row[0] for row in project.query(f'select id from "{name}"')]
    assert found and not [key for key in found if space_of_key(key)]


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(project, built, name: str) -> None:
    sentence = REFUSED[name][1]
    if name == "similarity_of_two" and project.engine != "duckdb":
        sentence = "there is no Python in the server"
    assert built[1][name]["status"] == "error"
    assert sentence in built[1][name]["message"]


def test_rows_without_model_or_key_are_named(built) -> None:
    for macro in PAIRS:
        assert f"samespace.{macro}: 'without_id': rows left out: 8 because of their model_id" in built[0]
        assert f"samespace.{macro}: 'without_key': rows left out: 1 without a key" in built[0]


def test_a_struct_column_cannot_speak_for_a_pair(built) -> None:
    assert built[1]["forged"]["status"] == "fail"


def test_clusters_of_another_model_number_nothing(project, built) -> None:
    assert built[1]["numbered"]["status"] == "success", built[1]["numbered"]["message"]
    assert project.query("select distinct cluster_id from numbered order by 1") == [(1,), (2,)]


def test_what_was_rendered_before_a_new_model_stops(project, built) -> None:
    view = "select count(*) from (select * from {}) as hits"
    assert project.query(view.format("stale_text")) == [(10,)]
    assert project.dbt("run-operation", "samespace.install").ok
    old = project.query("select distinct model_id from docs")[0][0]
    assert project.dbt("run", "-s", "docs", "--vars", "{of: b}").ok
    for name in ("stale_text", "stale_through_view"):
        assert "They are different spaces" in refusal(project, view.format(name))
    vector = f"cast({VECTOR} as {vector_type(project.output, DIMENSION)})"
    by_vector = f"select * from samespace.search_by_vector('docs', {vector}, "
    for model_id in (f"'{old}'", "null", "''", f"'{old.upper()}'"):
        assert "They are different spaces" in refusal(project, by_vector + model_id + ")")
