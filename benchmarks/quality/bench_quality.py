"""Quality of the macros on labelled data, with all-MiniLM-L6-v2, against the baselines of DATA.md.

    python benchmarks/quality/bench_quality.py

Prints one table. Thresholds of the pair tasks are chosen on the train split where there is one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import numpy as np
from project import CLUSTERINGS, DATA, RELATIONS, RETRIEVALS, SEEDS, DbtProject, build
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    average_precision_score,
    precision_recall_curve,
    v_measure_score,
)

BASELINES = {
    "Abt-Buy, average precision": 0.4736,
    "Abt-Buy, best F1": 0.4571,
    "Abt-Buy, F1 on test, threshold from train": 0.4688,
    "restaurants, average precision": 0.9109,
    "restaurants, best F1": 0.8493,
    "Febrl-1, best F1": 0.8987,
}
Row = tuple[str, float, float, str]


def best_f1(truth: np.ndarray, score: np.ndarray, positives: int | None = None) -> tuple[float, float]:
    """The largest F1 over all thresholds, and that threshold. ``positives`` counts pairs never scored."""
    precision, recall, threshold = precision_recall_curve(truth, score)
    recall = recall * (truth.sum() / positives) if positives else recall
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-12))[:-1]
    return float(f1.max()), float(threshold[f1.argmax()])


def f1_at(truth: np.ndarray, score: np.ndarray, threshold: float) -> float:
    found = score >= threshold
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def csv(name: str) -> str:
    return f"read_csv_auto('{DATA / name}.csv', all_varchar = true)"


def pair_rows(project: DbtProject) -> list[Row]:
    abt = project.query(
        f"select p.split, p.is_match = '1', s.similarity from {csv('a_products_abt_buy_pairs')} p "
        "join abt_buy_pairs s on s.neighbour_key = p.left_id and s.query_key = p.right_id"
    )
    split, truth, score = (np.array(column) for column in zip(*abt, strict=True))
    train = split != "test"
    _, chosen = best_f1(truth[train], score[train])
    rows = {
        "Abt-Buy, average precision": average_precision_score(truth, score),
        "Abt-Buy, best F1": best_f1(truth, score)[0],
        "Abt-Buy, F1 on test, threshold from train": f1_at(truth[~train], score[~train], chosen),
    }
    restaurants = project.query(
        "select m.fodors_id is not null, s.similarity from restaurant_pairs s "
        f"left join {csv('a_restaurants_matches')} m "
        "on m.fodors_id = s.neighbour_key and m.zagats_id = s.query_key"
    )
    truth, score = (np.array(column) for column in zip(*restaurants, strict=True))
    rows["restaurants, average precision"] = average_precision_score(truth, score)
    rows["restaurants, best F1"] = best_f1(truth, score, 112)[0]
    people = project.query(
        "select a.entity_id = b.entity_id, s.similarity from people_pairs s "
        f"join {csv('a_people_febrl_dataset1')} a on a.rec_id = s.left_key "
        f"join {csv('a_people_febrl_dataset1')} b on b.rec_id = s.right_key"
    )
    truth, score = (np.array(column) for column in zip(*people, strict=True))
    rows["Febrl-1, best F1"] = best_f1(truth, score, 500)[0]
    return [(name, value, BASELINES[name], "DATA.md, ±0.01") for name, value in rows.items()]


def vectors_of(project: DbtProject, relation: str) -> tuple[list[str], np.ndarray]:
    with duckdb.connect(str(project.database)) as connection:
        rows = connection.execute(f"select id, embedding from {relation} order by id").fetchall()
    return [row[0] for row in rows], np.array([row[1] for row in rows], dtype=np.float32)


def cluster_rows(project: DbtProject) -> list[Row]:
    rows: list[Row] = []
    for name, k in CLUSTERINGS.items():
        keys, vectors = vectors_of(project, name)
        file, key, _ = RELATIONS[name]
        label = dict(project.query(f"select {key}, label from {csv(file)}"))
        truth = [label[key] for key in keys]
        ours, theirs, ari = [], [], []
        for seed in SEEDS:
            found: dict[Any, Any] = dict(project.query(f"select key, cluster_id from {name}_clusters_{seed}"))
            ours.append(v_measure_score(truth, [found[key] for key in keys]))
            ari.append(adjusted_rand_score(truth, [found[key] for key in keys]))
            labels = KMeans(k, n_init=3, random_state=seed).fit_predict(vectors)
            theirs.append(v_measure_score(truth, labels))
        task = f"{name}, V-measure, median of 5 seeds (ARI {median(ari):.3f})"
        rows.append((task, median(ours), median(theirs), "scikit-learn KMeans, same vectors, ±0.03"))
    return rows


def ndcg(hits: dict[str, list[str]], relevant: dict[str, set[str]]) -> float:
    """nDCG@10 with binary relevance, mean over the queries that have relevant documents."""
    discount = 1 / np.log2(np.arange(2, 12))
    scores = []
    for query, documents in relevant.items():
        gain = sum(discount[rank] for rank, key in enumerate(hits.get(query, [])) if key in documents)
        scores.append(gain / discount[: min(10, len(documents))].sum())
    return float(np.mean(scores))


def retrieval_rows(project: DbtProject) -> list[Row]:
    rows: list[Row] = []
    for name in RETRIEVALS:
        relevant: dict[str, set[str]] = {}
        for query, document in project.query(
            f"select query_id, doc_id from {csv(f'c_retrieval_{name}_qrels')} where relevance::int > 0"
        ):
            relevant.setdefault(query, set()).add(document)
        hits: dict[str, list[str]] = {}
        ranked = f"select query_key, neighbour_key from {name}_hits order by query_key, rank"
        for query, document in project.query(ranked):
            hits.setdefault(query, []).append(document)
        embedded = f"(select id, embedding from {name}_docs where embedding is not null)"
        keys, documents = vectors_of(project, embedded)
        queries, asked = vectors_of(project, f"{name}_queries")
        order = np.argsort(-(asked.astype(np.float64) @ documents.T.astype(np.float64)), axis=1)[:, :10]
        brute = {query: [keys[i] for i in best] for query, best in zip(queries, order, strict=True)}
        ours, theirs = ndcg(hits, relevant), ndcg(brute, relevant)
        rows.append((f"{name}, nDCG@10", ours, theirs, "brute force, same vectors, ±0.005"))
    return rows


def main() -> None:
    if not DATA.exists():
        raise SystemExit(f"needs the labelled data in ../{DATA.parent.name}/{DATA.name}, which is not there")
    with tempfile.TemporaryDirectory() as folder:
        project, outcome = build(Path(folder))
        if not outcome.ok:
            raise SystemExit(outcome.output)
        rows = pair_rows(project) + cluster_rows(project) + retrieval_rows(project)
    print("| task | samespace | reference | difference | reference is |\n|---|---|---|---|---|")
    for name, value, reference, source in rows:
        print(f"| {name} | {value:.4f} | {reference:.4f} | {value - reference:+.4f} | {source} |")


if __name__ == "__main__":
    main()
