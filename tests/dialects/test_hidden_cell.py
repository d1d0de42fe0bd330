"""The column of an index in cells is part of no answer, however the relation is reached."""

from __future__ import annotations

from harness import HASHING
from ivf_project import build, documents, load, prepare

PASSING = "{{ config(materialized='%s') }}\nselect * from {{ ref('emb') }}"
THROUGH = "{{ config(materialized='table') }}\n{{ samespace.search(ref('%s'), query_key=5, k=3) }}"
MODELS = {
    "cte": PASSING % "ephemeral",
    "seen": PASSING % "view",
    "through_cte": THROUGH % "cte",
    "through_view": THROUGH % "seen",
    "direct": THROUGH % "emb",
}
SHOWN = ["id", "body", "part", "model_id", "content_hash", "similarity", "rank"]
CALL = "from samespace.search_by_key('emb', 5, k := 3)"


def test_no_answer_shows_the_cell(make_project) -> None:
    project = make_project("hidden_cell", models={"hash64": HASHING})
    load(project, documents(400))
    prepare(project, MODELS)
    build(project)
    assert "__samespace_cell" in [row[0] for row in project.query("describe emb")]
    answers = []
    for name in ("through_cte", "through_view", "direct"):
        assert [row[0] for row in project.query(f"describe {name}")] == SHOWN
        answers.append(project.query(f"select * from {name} order by rank"))
    assert len(answers[0]) == 3
    assert answers[0] == answers[1] == answers[2]
    outcome = project.dbt("run-operation", "samespace.install")
    assert outcome.ok, outcome.output
    found = project.query(f"select * {CALL}")
    assert [row[0] for row in project.query(f"describe select * {CALL}")] == SHOWN
    # The functions stay right where the relation loses its cells after they were installed.
    prepare(project, MODELS, "none")
    build(project, "--full-refresh")
    assert "__samespace_cell" not in [row[0] for row in project.query("describe emb")]
    assert project.query(f"select * {CALL}") == found
    assert [row[0] for row in project.query("describe through_cte")] == SHOWN
