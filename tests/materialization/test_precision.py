"""A real model through dbt in bfloat16: what is stored and recorded, and that fp32 runs go on from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from encoder_models import MINILM
from harness import DbtProject

TEXTS = [
    "how do I reset my password", "I cannot log in", "where is my refund", "the card was charged twice",
    "my parcel has not arrived", "change the delivery address", "cancel my order", "the app crashes at once",
]  # fmt: skip
HEAD = "{{ config(materialized='embedding', model='minilm', key='id', text='body') }}\n"


def spec(precision: str) -> dict[str, object]:
    return {
        "provider": "sentence-transformers", "model": "sentence-transformers/all-MiniLM-L6-v2",
        "dimension": 384, "load_from": MINILM, "runtime": {"precision": precision},
    }  # fmt: skip


def rows_up_to(last: int) -> str:
    listed = " union all ".join(
        f"select {number} as id, '{text}' as body" for number, text in enumerate(TEXTS, start=1)
    )
    return f"{HEAD}select * from ({listed}) as texts where id <= {last}"


def embedded(project: DbtProject, precision: str, last: int) -> tuple[str, np.ndarray]:
    """What the run recorded of its precision, and the vectors it left: float32 [last, 384]."""
    project.models = {"minilm": spec(precision)}
    project.configure()
    project.write("models/emb.sql", rows_up_to(last))
    outcome = project.dbt("run")
    assert outcome.ok, outcome.output
    latest = "select precision from samespace.embedding_runs order by finished_at desc limit 1"
    recorded = project.query(latest)
    found = project.query("select embedding from main.emb order by id")
    return recorded[0][0], np.array([row[0] for row in found], dtype=np.float32)


@pytest.mark.real_model
def test_bf16_is_recorded_and_within_what_the_canaries_allow(make_project: Callable[..., DbtProject]) -> None:
    exact = embedded(make_project("fp32"), "fp32", len(TEXTS))
    project = make_project("bf16")
    half = embedded(project, "bf16", len(TEXTS) - 2)
    assert (exact[0], half[0]) == ("fp32", "bf16")
    cosines = (half[1] * exact[1][:-2]).sum(axis=1)
    assert cosines.min() > 0.9999
    assert cosines.max() < 1.0 + 1e-6
    assert not np.array_equal(half[1], exact[1][:-2])
    # One space: an fp32 run adds to what bf16 left, and embeds none of it again.
    later = embedded(project, "fp32", len(TEXTS))
    assert later[0] == "fp32"
    assert np.array_equal(later[1][:-2], half[1])
    assert np.allclose(later[1][-2:], exact[1][-2:], atol=1e-6)
    assert project.query("select count(distinct model_id) from main.emb") == [(1,)]
