"""search: against NumPy on every form of query, and everything that it must refuse."""

from __future__ import annotations

import numpy as np
import pytest
from vectors import DIMENSION, FIRST, SECOND, columns, cosine, literal, refusal, sources, store, unit_rows

VECTORS = unit_rows(60)
QUERY = unit_rows(1, seed=9)[0]
VECTOR = literal(QUERY)
BY_VECTOR = f'query_vector="{VECTOR}", query_model="{FIRST}"'
KINDS = {
    "integers": ("integer", list(range(60))),
    "bigints": ("bigint", [2**40 + 3 * i for i in range(60)]),
    "texts": ("varchar", [f"k'{i}" for i in range(60)]),
    "uuids": ("uuid", [f"00000000-0000-4000-8000-{i:012d}" for i in range(60)]),
}
TABLE = "{{ config(materialized='table') }}\n"


def call(table: str, arguments: str, key: str = "id") -> str:
    return (
        TABLE + "{{ samespace.search(source('raw', '" + table + "'), " + arguments + ", key='" + key + "') }}"
    )


@pytest.fixture(scope="module")
def project(make_project, target):
    project = make_project("search", on=target)
    for name, (kind, keys) in KINDS.items():
        store(project, name, keys, VECTORS, [FIRST] * 60, kind)
        project.write(f"models/by_vector_{name}.sql", call(name, BY_VECTOR))
        project.write(f"models/by_key_{name}.sql", call(name, f'query_key="{keys[5]}", k=4'))
    store(project, "mixed_case", list(range(60)), VECTORS, [FIRST] * 60, key="Ticket Id")
    project.write("models/by_vector_mixed_case.sql", call("mixed_case", BY_VECTOR, "Ticket Id"))
    store(
        project,
        "mixture",
        [*range(60), *range(60)],
        [*VECTORS, *VECTORS],
        [FIRST] * 60 + [SECOND] * 60,
    )
    strange = [None, SECOND, "alpha@1111111", "alpha@11111111 ", "ALPHA@11111111", "alpha'@11111111", FIRST]
    store(project, "lookalikes", list(range(7)), [QUERY] * 7, strange)
    unusable = [
        None,
        np.zeros(DIMENSION),
        np.full(DIMENSION, np.nan),
        np.full(DIMENSION, np.inf),
        *VECTORS[:3],
    ]
    store(project, "holes", list(range(7)), unusable, [FIRST] * 7)
    store(project, "ties", list(range(300, 0, -1)), [QUERY] * 300, [FIRST] * 300)
    store(project, "nothing", [], [], [])
    project.write(
        "models/sources.yml",
        sources(*KINDS, "mixed_case", "mixture", "lookalikes", "holes", "ties", "nothing"),
    )
    for table in ("mixture", "lookalikes", "holes", "ties", "nothing"):
        project.write(f"models/in_{table}.sql", call(table, BY_VECTOR))
    project.write(
        "models/filtered.sql", call("integers", BY_VECTOR + ", where=\"label = 'odd' -- a comment\", k=7")
    )
    project.write("models/all_rows.sql", call("integers", BY_VECTOR + ", k=1000"))
    project.write("models/key_of_second.sql", call("mixture", f"query_key=5, model='{SECOND}', k=3"))
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    project.first_output = outcome.output
    return project


def nearest(vectors, query, k, leave_out=None):
    """(position, similarity) of the k nearest: similarity descending, then position."""
    similarity = cosine(vectors, [query])[:, 0]
    order = [i for i in np.lexsort((np.arange(len(vectors)), -similarity)) if i != leave_out]
    return [(int(i), float(similarity[i])) for i in order[:k]]


@pytest.mark.parametrize("kind", KINDS)
def test_vector_query_equals_brute_force(project, kind) -> None:
    keys = KINDS[kind][1]
    rows = project.query(f"select cast(id as varchar), similarity, rank from by_vector_{kind} order by rank")
    expected = nearest(VECTORS, QUERY, 10)
    assert rows == [
        (str(keys[i]), pytest.approx(s, abs=1e-6), rank) for rank, (i, s) in enumerate(expected, 1)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_key_query_leaves_itself_out(project, kind) -> None:
    keys = KINDS[kind][1]
    rows = project.query(f"select cast(id as varchar), similarity from by_key_{kind} order by rank")
    assert rows == [
        (str(keys[i]), pytest.approx(s, abs=1e-6)) for i, s in nearest(VECTORS, VECTORS[5], 4, leave_out=5)
    ]


def test_quoted_key_and_columns(project) -> None:
    found = columns(project, "by_vector_mixed_case")
    assert [name for name, _ in found] == ["Ticket Id", "label", "model_id", "similarity", "rank"]
    assert [kind.lower().replace(" precision", "") for _, kind in found[3:]] == ["double", "integer"]


def test_k_beyond_the_rows_and_where(project) -> None:
    assert len(project.query("select * from all_rows")) == 60
    odd = nearest(VECTORS[1::2], QUERY, 7)
    assert [row[0] for row in project.query("select id from filtered order by rank")] == [
        2 * i + 1 for i, _ in odd
    ]


def test_no_row_of_another_space(project) -> None:
    assert project.query("select distinct model_id, count(*) from in_mixture group by 1") == [(FIRST, 10)]
    assert project.query("select id, model_id from in_lookalikes") == [(6, FIRST)]
    assert {row[0] for row in project.query("select model_id from key_of_second")} == {SECOND}
    assert (
        "samespace.search: 'mixture': rows left out: 60 because of their model_id: beta@22222222 (60)"
        in project.first_output
    )
    assert "no model_id (1)" in project.first_output


def test_unusable_vectors_take_no_part(project) -> None:
    assert sorted(row[0] for row in project.query("select id from in_holes")) == [4, 5, 6]
    assert project.query("select count(*) from in_nothing") == [(0,)]


def test_ties_go_to_the_smaller_key(project) -> None:
    assert [row[0] for row in project.query("select id from in_ties order by rank")] == list(range(1, 11))


def test_stale_view_is_loud(project) -> None:
    store(project, "moved", [1, 2], VECTORS[:2], [FIRST] * 2)
    project.write("models/moved.yml", sources("moved").replace("raw", "later"))
    project.write(
        "models/in_moved.sql",
        call("moved", BY_VECTOR).replace("'raw'", "'later'").replace("table", "view", 1),
    )
    assert project.dbt("run", "--select", "in_moved").ok
    project.query(f"update moved set model_id = case id when 1 then '{SECOND}' end")
    sentence = (
        "samespace.search: 'moved' holds beta@22222222, NULL; the query vector is alpha@11111111. "
        "They are different spaces. Re-embed one side, or pick one model."
    )
    for sql in (
        "select * from in_moved",
        "select count(*) from in_moved",
        "select id from in_moved where label = 'x'",
    ):
        assert sentence in refusal(project, sql)


def test_a_view_by_key_leaves_out_what_has_left_the_space(project) -> None:
    store(project, "parted", [1, 2, 3, 4], VECTORS[:4], [FIRST] * 4)
    project.write("models/parted.yml", sources("parted").replace("raw", "parting"))
    project.write(
        "models/in_parted.sql",
        call("parted", "query_key=1").replace("'raw'", "'parting'").replace("table", "view", 1),
    )
    assert project.dbt("run", "--select", "in_parted").ok
    assert sorted(project.query("select id from in_parted")) == [(2,), (3,), (4,)]
    project.query(f"update parted set model_id = case id when 4 then '{SECOND}' end where id > 2")
    assert project.query("select id, model_id from in_parted") == [(2, FIRST)]
    project.query("update parted set model_id = null where id = 1")
    assert "They are different spaces" in refusal(project, "select * from in_parted")


REFUSED = {
    "two_queries": ("query='x', query_key=1", "got 2 queries; expected exactly one of query=<text>"),
    "no_query": ("k=3", "got 0 queries; expected exactly one of"),
    "bare_vector": ("query_vector='[1]'", "a bare vector never travels alone"),
    "small_k": ("query_key=1, k=0", "k is 0; expected a whole number of at least 1"),
    "unknown_model": (
        "query='x', model='mpnet'",
        "there is no model 'mpnet' in the var samespace_models; known models: hash64",
    ),
    "nameless_text": (
        "query='x'",
        "nothing is known about the model that embedded 'mixture'. "
        "Pass model=<its name>; known models: hash64",
    ),
    "several_spaces": (
        "query_key=1",
        "'mixture' holds several spaces: alpha@11111111, beta@22222222. Pass model=<one of alpha, beta>.",
    ),
    "other_space": (
        f'query_vector="{VECTOR}", query_model="mpnet@77aa01ce"',
        "samespace.search: 'mixture' holds alpha@11111111, beta@22222222; "
        "the query vector is mpnet@77aa01ce. "
        "They are different spaces. Re-embed one side, or pick one model.",
    ),
    "missing_key": (
        f"query_key='x''y', model='{FIRST}'".replace("''", "`"),
        "'mixture' has no row with id = x`y and model_id alpha@11111111",
    ),
    "zero_vector": (
        f'query_vector="{literal(np.zeros(DIMENSION))}", query_model="{FIRST}"',
        "the query vector is NULL, zero, or holds NaN or infinity",
    ),
}


def test_refusals(make_project, target) -> None:
    project = make_project("search_refused", on=target)
    store(
        project,
        "mixture",
        [*range(60), *range(60)],
        [*VECTORS, *VECTORS],
        [FIRST] * 60 + [SECOND] * 60,
    )
    store(project, "ranked", [1], [QUERY], [FIRST], key="rank")
    project.write("models/sources.yml", sources("mixture", "ranked"))
    for name, (arguments, _) in REFUSED.items():
        project.write(f"models/{name}.sql", call("mixture", arguments))
    project.write("models/taken_column.sql", call("ranked", BY_VECTOR, "rank"))
    project.write("models/wrong_key.sql", call("mixture", BY_VECTOR, "ticket"))
    project.write(
        "models/unknown_relation.sql", "{{ samespace.search(source('raw', 'mixture'), query='x') }}"
    )
    outcome = project.dbt("run")
    assert not outcome.ok
    messages = {r["unique_id"].split(".")[2]: r["message"] for r in outcome.results}
    for name, (_, sentence) in REFUSED.items():
        assert sentence in messages[name], (name, messages[name])
    assert "'ranked' has a column 'rank', which the result adds" in messages["taken_column"]
    assert "'mixture' has no column 'ticket'; it has: id, label, model_id, embedding" in messages["wrong_key"]
    assert "Pass key=<its unique column>" in messages["unknown_relation"]


def test_text_query_on_an_embedding_relation(make_project, target) -> None:
    project = make_project("search_text", on=target)
    project.write(
        "models/notes.sql",
        "{{ config(materialized='embedding', model='hash64', key='id', text='body') }}\n"
        "select * from (values (1, 'cannot log in'), (2, 'the printer is broken'), (3, 'can not login')) "
        "as t(id, body)",
    )
    project.write("models/hits.sql", "{{ samespace.search(ref('notes'), 'cannot log in', k=2) }}")
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    assert project.query("select id, rank, similarity from hits order by rank")[0] == (1, 1, 1.0)
    assert [name for name, _ in columns(project, "hits")] == [
        "id",
        "body",
        "model_id",
        "content_hash",
        "similarity",
        "rank",
    ]
    shown = project.dbt(
        "show", "--output", "json", "--inline", "{{ samespace.search(ref('notes'), 'the printer', k=1) }}"
    )
    assert shown.ok, shown.output
    assert "the printer is broken" in shown.output
    for command in (("compile",), ("run", "--empty"), ("list",)):
        outcome = project.dbt(*command)
        assert outcome.ok, outcome.output
