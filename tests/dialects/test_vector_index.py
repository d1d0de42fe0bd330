"""Vector indexes on PostgreSQL: built as asked, used where they may be, and never quietly too little."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from encoder_models import wordllama
from harness import DbtProject
from index_project import ALWAYS, MODELS, QUERY, STARVED, VECTORS, WAVES, logged, operation, prepare
from samespace.encoders import load_encoder
from targets import PGVECTOR
from vectors import FIRST, SECOND, cosine, store


@pytest.fixture(scope="module")
def project(make_project):
    project = make_project("vector_index", on=PGVECTOR, models=MODELS)
    prepare(project)
    return project


def indexes(project: DbtProject, table: str) -> dict[str, str]:
    """Definition by name of the vector indexes of a table."""
    rows = project.query("select indexname, indexdef from pg_indexes where tablename = ? order by 1", [table])
    return dict(rows)


def plan(project: DbtProject, model: str) -> str:
    """How the server runs the SQL of a model, as a text."""
    sql = (project.root / f"target/compiled/scratch/models/{model}.sql").read_text()
    return "\n".join(row[0] for row in project.query("explain (costs off) " + sql))


def names(project: DbtProject, table: str, model_id: str) -> list[str]:
    return [name for name, text in indexes(project, table).items() if f"'{model_id}'" in text]


def rows(project: DbtProject, model: str, columns: str = "id, similarity, rank") -> list[tuple]:
    return project.query(f"select {columns} from {model} order by {columns.rsplit(',', 1)[-1]}, 1")


@pytest.mark.parametrize("model", ["by_vector", "by_key", "hundred", "near"])
def test_the_index_of_the_model_is_used(project, model) -> None:
    own, other = names(project, "docs", FIRST), names(project, "docs", SECOND)
    assert len(own) == len(other) == 1
    text = plan(project, model)
    assert f"Index Scan using {own[0]} on docs" in text
    # knn asks in every space that the queries have; a search in its own alone.
    assert (f"using {other[0]}" in text) is (model == "near")


def test_a_key_in_one_space_uses_the_index(project) -> None:
    assert f"Index Scan using {names(project, 'alone', FIRST)[0]}" in plan(project, "by_key_alone")


@pytest.mark.parametrize("model", ["exact", "view", "of_ephemeral", "thousand", "near_exact"])
def test_exact_ways_use_no_index(project, model) -> None:
    assert "samespace_hnsw" not in plan(project, model)


def test_the_log_says_which_way(project) -> None:
    output = project.first_output
    assert (
        "samespace.search: 'docs': nearest rows by its index, which may miss one of them. method='exact'"
        in output
    )
    assert "method='index' looks at every row of 'docs': an index is asked for at most 436 rows." in output


@pytest.mark.parametrize(
    ("model", "k", "every"), [("by_vector", 10, 1), ("hundred", 100, 1), ("rare", 20, 100)]
)
def test_rows_of_the_index_are_those_of_numpy(project, model, k, every) -> None:
    similarity = cosine(VECTORS[::every], [QUERY])[:, 0]
    best = np.lexsort((np.arange(len(similarity)), -similarity))[:k]
    found = rows(project, model)
    assert [row[2] for row in found] == list(range(1, k + 1))
    # Random directions are the hardest case: all but a few of a hundred.
    expected = {int(i) * every for i in best}
    assert len(expected & {row[0] for row in found}) >= 0.95 * k
    by_key = {int(i) * every: float(similarity[i]) for i in range(len(similarity))}
    assert [row[1] for row in found] == [pytest.approx(by_key[row[0]], abs=1e-6) for row in found]


def test_never_too_few(project) -> None:
    assert len(rows(project, "of_same")) == 100
    assert len(rows(project, "of_few")) == 40
    assert len(rows(project, "thousand")) == 1000


def test_both_ways_refuse_alike(project) -> None:
    assert "samespace.search: 'docs' has no row with id = 999999 and model_id" in project.first_output


def test_knn_by_index(project) -> None:
    columns = "query_key, neighbour_key, similarity, model_id, rank"
    for model, share in (("near", 0.97), ("near_rare", 1), ("near_self", 1)):
        found, exact = rows(project, model, columns), rows(project, model + "_exact", columns)
        assert len(found) == len(exact)
        assert len(set(found) & set(exact)) >= share * len(exact), model
    assert project.query("select model_id, count(*) from near group by 1 order by 1") == [
        (FIRST, 300),
        (SECOND, 300),
    ]


def test_settings_hold_for_the_statement_and_no_longer(project) -> None:
    assert set(rows(project, "in_force", "effort, scan")) == {("148", "strict_order")}
    effort, scan = rows(project, "afterwards", "effort, scan")[0]
    assert effort in (None, "", "40")
    assert scan in (None, "", "off")


def test_options_have_limits(project) -> None:
    wrong = [
        True, "ivfflat", {"type": "hnsw", "lists": 3}, {"m": 16}, {"type": "hnsw", "m": 1},
        {"type": "hnsw", "m": "16"}, {"type": "hnsw", "m": 40, "ef_construction": 64},
        {"type": "hnsw", "build": "never"},
    ]  # fmt: skip
    right = [
        None, "hnsw", "none", {"type": "none"},
        {"type": "hnsw", "m": 24, "ef_construction": 100, "build": "always"},
    ]  # fmt: skip
    project.query(STARVED)
    lines = operation(project, "checks", values=wrong + right, starved="select starved()")
    found = logged(lines, "PROBLEM")
    assert [len(problems) for problems in found] == [1] * len(wrong) + [0] * len(right)
    assert found[0] == [
        "index is true; expected hnsw, ivf, none, {type: hnsw, m: 16, ef_construction: 64, build: auto}, "
        "or {type: ivf, cells: auto, recall: 0.95, probes: auto, build: auto}"
    ]
    assert found[3] == ["index.type is null; expected hnsw, ivf or none"]
    assert found[6] == ["index.ef_construction is 64; expected at least 2 * m = 80"]
    assert logged(lines, "OPTIONS") == [{"type": "hnsw", "m": 48, "ef_construction": 96, "build": "auto"}]
    # A build that found too little shared memory for its workers went on without them.
    assert project.query("select count(*) from built_alone") == [(0,)]


def test_kept_replaced_and_dropped(project) -> None:
    table = {"table": "renamed", "index": ALWAYS, "models": [FIRST]}
    lines = operation(project, "steps", steps=[
        {**table, "table": "settings"},
        "alter table settings rename to renamed",
        table,
        {**table, "index": {**ALWAYS, "m": 24, "ef_construction": 100}},
        {**table, "models": [SECOND]},
        {**table, "index": "hnsw"},
        table,
        {**table, "index": "none"},
    ])  # fmt: skip
    built, renamed, kept, replaced, of_other, below, again, dropped = logged(lines, "INDEXES")
    assert len(built) == 1 and built.keys() == renamed.keys() == kept.keys() == again.keys()
    [text] = replaced.values()
    assert built.keys().isdisjoint(replaced)
    assert "(m='24', ef_construction='100')" in text and f"'{FIRST}'" in text
    assert [f"'{SECOND}'" in text for text in of_other.values()] == [True]
    assert below == dropped == {}
    said = "renamed gets no index for alpha@11111111: below 20,000 rows exact search is nearly as fast"
    assert sum(said in line for line in lines) == 1


def test_long_vectors_and_halves(project) -> None:
    indexed = {name: list(indexes(project, name).values()) for name in WAVES}
    assert "(embedding halfvec_cosine_ops)" in indexed["halves"][0]
    assert "((embedding)::halfvec(2001)) halfvec_cosine_ops)" in indexed["long_vectors"][0]
    assert "(embedding halfvec_cosine_ops)" in indexed["long_halves"][0]
    assert indexed["longer"] == []
    for model in ("half", "long", "long_half"):
        found = rows(project, model)
        assert (len(found), found[0][0]) == (5, 3)
    assert "'long_vectors': nearest rows by its index" in project.first_output


def test_through_the_materialization(project) -> None:
    [name] = indexes(project, "notes")
    assert f"Index Scan using {name} on notes" in plan(project, "by_text")
    assert project.query("select id from by_text where rank = 1") == [(7,)]
    assert "samespace.embedding: index of notes for hash64@" in project.first_output
    assert ": 3,000 rows in " in project.first_output
    outcome = project.dbt("run", "--select", "notes", "--full-refresh")
    assert outcome.ok, outcome.output
    [rebuilt] = indexes(project, "notes")
    assert rebuilt != name and rebuilt[:-6].startswith(name[:34])
    outcome = project.dbt("run", "--select", "notes")
    assert "index of notes" not in outcome.output
    assert list(indexes(project, "notes")) == [rebuilt]


def test_members_of_a_space_without_an_index_are_read_too(project) -> None:
    [name] = indexes(project, "family")
    assert f"Index Scan using {name} on family" in plan(project, "of_family")
    found = rows(project, "of_family")
    assert len(found) == 10
    assert found[:2] == [(3, 1.0, 1), (10003, 1.0, 2)]


def test_recall_on_real_embeddings(project, shared_data: Path) -> None:
    """Titles through a static model, which is fast; benchmarks/results/index.md has MiniLM and more rows."""
    pytest.importorskip("wordllama")
    encoder = load_encoder(wordllama())
    with (shared_data / "b_topics_stackoverflow.csv").open(newline="") as file:
        titles = sorted({row["title"] for row in csv.DictReader(file)})
    matrix = np.asarray(encoder.encode(titles, "document"), np.float32)
    store(project, "titles", range(len(titles)), matrix, [FIRST] * len(titles), dimension=256)
    operation(
        project, "steps", steps=[{"table": "titles", "index": ALWAYS, "models": [FIRST], "dimension": 256}]
    )
    asked = "select q.id, n.id from (select * from titles where id < 100) as q cross join lateral "
    nearest = (
        f"(select id from titles where model_id = '{FIRST}' order by embedding <=> q.embedding limit 74) as n"
    )
    settings = "set enable_seqscan = off; set hnsw.ef_search = 148; "
    found = set(project.query(settings + asked + nearest))
    similarity = cosine(matrix[:100], matrix)
    best = {(i, int(j)) for i in range(100) for j in np.argsort(-similarity[i], kind="stable")[:10]}
    assert len(found & best) >= 950
    text = "\n".join(row[0] for row in project.query(settings + "explain " + asked + nearest))
    assert f"using {names(project, 'titles', FIRST)[0]}" in text
