"""The id of every vector, which ids may meet, and what happens where they may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import HASHING, DbtProject
from targets import Target

MODELS = {
    "letters": HASHING,
    # Equal fingerprints are one space whatever the name; another version or analyzer is another space.
    "same_letters": HASHING,
    "newer_letters": {**HASHING, "version": "2"},
    "words": {**HASHING, "analyzer": "word", "ngram_min": 1, "ngram_max": 1},
    "twin": {**HASHING, "version": "twin", "same_space_as": "letters"},
}
NAMES = sorted(MODELS)
TABLE = "{{ config(materialized='table') }}\n"
FILES = {
    "texts": "select 1 as id, 'a cold radiator' as body union all select 2, 'cold radiators' "
    "union all select 3, null",
    "ids": " union all ".join(
        f"select '{name}' as name, '{{{{ samespace.model_id('{name}') }}}}' as id" for name in NAMES
    ),
    "meetings": "select l.name as l, r.name as r, {{ samespace.space_of('l.id') }} as space "
    "from {{ ref('ids') }} as l cross join {{ ref('ids') }} as r "
    "where {{ samespace.same_space('l.id', 'r.id') }}",
    "vectors": "select id, {{ samespace.embed('letters', 'body') }} as letters, "
    "{{ samespace.embed('words', 'body') }} as words from {{ ref('texts') }}",
    "columns": "select id, {{ samespace.embed_columns('letters', 'body') }} from {{ ref('texts') }}",
    "compared": "select l.id as l, r.id as r, "
    "{{ samespace.similarity('l.letters', 'r.letters') }} as similarity "
    "from {{ ref('vectors') }} as l cross join {{ ref('vectors') }} as r",
    "mixed_vectors": "select {{ samespace.similarity('letters', 'words') }} as nonsense "
    "from {{ ref('vectors') }}",
    "mixed_ids": "{{ samespace.assert_one_space('search', 'notes', [samespace.model_id('letters')], "
    "'the query', [samespace.model_id('words')]) }} select 1 as one",
    "shared_ids": "{{ samespace.assert_one_space('search', 'notes', [samespace.model_id('letters')], "
    "'the query', [samespace.model_id('twin')]) }} select 1 as one",
}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject], target: Target) -> DbtProject:
    made = make_project("space", on=target, models=MODELS)
    for name, sql in FILES.items():
        made.write(f"models/{name}.sql", TABLE + sql)
    return made


@pytest.fixture(scope="module")
def results(project: DbtProject) -> dict[str, dict[str, Any]]:
    """What became of each model; two of them have to fail."""
    return {result["unique_id"].split(".")[2]: result for result in project.dbt("run").results}


def test_all_others_are_built(results) -> None:
    failed = {name for name, result in results.items() if result["status"] != "success"}
    assert failed == {"mixed_vectors", "mixed_ids"}


def test_ids_name_their_model_and_fingerprint(project: DbtProject, results) -> None:
    ids = dict(project.query("select name, id from ids"))
    assert all(model_id.rpartition("@")[0] == name for name, model_id in ids.items())
    digests = {name: model_id.rpartition("@")[2] for name, model_id in ids.items()}
    assert digests["letters"] == digests["same_letters"]
    assert len({digests[name] for name in NAMES}) == len(NAMES) - 1


def test_only_declared_or_equal_models_meet(project: DbtProject, results) -> None:
    found = {(left, right) for left, right in project.query("select l, r from meetings")}
    assert {pair for pair in found if "same_letters" not in pair} == {
        *((name, name) for name in NAMES if name != "same_letters"), ("letters", "twin"), ("twin", "letters"),
    }


def test_both_forms_of_embed_give_the_same(project: DbtProject, results) -> None:
    different = project.query(
        "select v.id from vectors as v inner join columns as c on c.id = v.id "
        "where v.letters.model_id is distinct from c.model_id "
        "or v.letters.embedding is distinct from c.embedding"
    )
    assert different == []


def test_similarity_is_the_cosine(project: DbtProject, results) -> None:
    import numpy as np

    rows = project.query("select id, letters.embedding from vectors where letters.embedding is not null")
    vectors = {key: np.asarray(vector, dtype=np.float64) for key, vector in rows}
    assert set(vectors) == {1, 2}
    for left, right, found in project.query("select l, r, similarity from compared"):
        if left in vectors and right in vectors:
            a, b = vectors[left], vectors[right]
            assert found == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-9)
        else:
            assert found is None


@pytest.mark.parametrize("model", ["mixed_vectors", "mixed_ids"])
def test_mixing_stops_with_the_sentence(results, model: str) -> None:
    message = results[model]["message"]
    assert "letters@" in message
    assert "words@" in message
    assert "They are different spaces. Re-embed one side, or pick one model." in " ".join(message.split())
