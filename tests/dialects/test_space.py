"""The id of every vector, which ids may meet, and what happens where they may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import HASHING, DbtProject
from targets import Target
from vectors import as_numbers

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
EMBEDDING = "{{ config(materialized='embedding', model='MODEL', key='id', text='body') }}\n"
ROWS = "from {{ ref('letter_notes') }} as l cross join {{ ref('NOTES') }} as r"
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
    "compared_rows": "select l.id as l, r.id as r, {{ samespace.similarity('l', 'r') }} as similarity "
    + ROWS.replace("NOTES", "letter_notes"),
    "mixed_rows": "select {{ samespace.similarity('l', 'r') }} as nonsense "
    + ROWS.replace("NOTES", "word_notes"),
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
    for name, model in (("letter_notes", "letters"), ("word_notes", "words")):
        head = EMBEDDING.replace("MODEL", model)
        made.write(f"models/{name}.sql", head + "select id, body from {{ ref('texts') }}")
    return made


@pytest.fixture
def encodes(project: DbtProject) -> DbtProject:
    """The project on an engine whose queries can encode a text."""
    if project.engine != "duckdb":
        pytest.skip(
            "there is no Python in this server; test_a_server_without_python_says_so has the sentence"
        )
    return project


@pytest.fixture(scope="module")
def results(project: DbtProject) -> dict[str, dict[str, Any]]:
    """What became of each model; some have to fail."""
    return {result["unique_id"].split(".")[2]: result for result in project.dbt("run").results}


def test_all_others_are_built(project: DbtProject, results) -> None:
    failed = {name for name, result in results.items() if result["status"] != "success"}
    encoding = (
        {"mixed_vectors"}
        if project.engine == "duckdb"
        else {"vectors", "columns", "compared", "mixed_vectors"}
    )
    assert failed == {"mixed_ids", "mixed_rows", *encoding}


def test_ids_name_their_model_and_fingerprint(project: DbtProject, results) -> None:
    ids = dict(project.query("select name, id from ids"))
    assert all(model_id.rpartition("@")[0] == name for name, model_id in ids.items())
    digests = {name: model_id.rpartition("@")[2] for name, model_id in ids.items()}
    assert digests["letters"] == digests["same_letters"]
    assert len({digests[name] for name in NAMES}) == len(NAMES) - 1


def test_only_declared_or_equal_models_meet(project: DbtProject, results) -> None:
    found = {(left, right) for left, right in project.query("select l, r from meetings")}
    assert {pair for pair in found if "same_letters" not in pair} == {
        *((name, name) for name in NAMES if name != "same_letters"),
        ("letters", "twin"),
        ("twin", "letters"),
    }


def test_both_forms_of_embed_give_the_same(encodes: DbtProject, results) -> None:
    different = encodes.query(
        "select v.id from vectors as v inner join columns as c on c.id = v.id "
        "where v.letters.model_id is distinct from c.model_id "
        "or v.letters.embedding is distinct from c.embedding"
    )
    assert different == []


def test_a_server_without_python_says_so(project: DbtProject, results) -> None:
    if project.engine == "duckdb":
        pytest.skip("DuckDB calls Python")
    for name, macro in (("vectors", "embed"), ("columns", "embed_columns")):
        message = results[name]["message"]
        assert f"samespace.{macro}: a query cannot encode a text on pgvector: there is no Python" in message
        assert "materialized='embedding'" in message


def test_similarity_of_structs_is_that_of_rows(encodes: DbtProject, results) -> None:
    different = encodes.query(
        "select a.l from compared as a inner join compared_rows as b on b.l = a.l and b.r = a.r "
        "where a.similarity is distinct from b.similarity"
    )
    assert different == []


def test_similarity_is_the_cosine(project: DbtProject, results) -> None:
    rows = project.query("select id, embedding from letter_notes where embedding is not null")
    vectors = {key: as_numbers(vector) for key, vector in rows}
    assert set(vectors) == {1, 2}
    for left, right, found in project.query("select l, r, similarity from compared_rows"):
        if left in vectors and right in vectors:
            a, b = vectors[left], vectors[right]
            assert found == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-9)
        else:
            assert found is None


@pytest.mark.parametrize("model", ["mixed_vectors", "mixed_ids", "mixed_rows"])
def test_mixing_stops_with_the_sentence(project: DbtProject, results, model: str) -> None:
    if model == "mixed_vectors" and project.engine != "duckdb":
        pytest.skip("there is no Python in this server, and so no struct of a vector")
    message = results[model]["message"]
    assert "letters@" in message
    assert "words@" in message
    assert "They are different spaces. Re-embed one side, or pick one model." in " ".join(message.split())
