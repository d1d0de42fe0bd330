"""embed() and embed_columns() in models, against the encoder itself; query texts; every way to be refused."""

from __future__ import annotations

import json

import databases
import numpy as np
import pytest
from harness import HASHING, DbtProject
from samespace.encoders import load_encoder
from samespace.spec import ModelSpec
from targets import Target
from vectors import as_numbers

PROMPTED = {"provider": "slow", "model": "sha", "dimension": 16, "prompts": {"query": "query: "}}
TEXTS = {
    1: "hello world",
    2: "hello wrld",
    3: None,
    4: " \t",
    5: "good bye",
    6: "good bye",
    7: "it's 'quoted' 👍🏽",
}
PLUGIN = ["plugins:", "- module: samespace.duckdb_plugin"]


def literal(text: str | None) -> str:
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    """Tables and incremental tables that encode; 5,000 rows of 50 texts, for two threads."""
    folder = tmp_path_factory.mktemp("embed")
    made = DbtProject(
        folder,
        models={"hash64": HASHING, "hash32": {**HASHING, "dimension": 32}},
        target={**target.output(folder), "threads": 2},
    )
    rows = ", ".join(f"({key}, {literal(text)})" for key, text in TEXTS.items())
    made.query(f"create table notes as select * from (values {rows}) as t(id, body)")
    made.write(
        "models/notes_embedded.sql",
        "{{ config(materialized='embedding', model='hash64', key='id', text='body') }}\n"
        "select id, body from notes",
    )
    made.write(
        "models/asked.sql",
        "{{ config(materialized='table') }}\n"
        "select {{ samespace._query_vector('hash64', \"it's lost\", 'search') }} as embedding",
    )
    if made.engine == "duckdb":
        write_encoding_models(made)
    outcome = made.dbt("run")
    assert outcome.ok, outcome.output
    return made


def write_encoding_models(made: DbtProject) -> None:
    made.query("create table many as select range as id, 'text ' || (range % 50) as body from range(5000)")
    made.write(
        "models/structs.sql",
        "{{ config(materialized='table') }}\n"
        "select id, {{ samespace.embed('hash64', 'body') }} as vector from notes",
    )
    made.write(
        "models/columns.sql",
        "{{ config(materialized='incremental', unique_key='id') }}\n"
        "select id, {{ samespace.embed_columns('hash64', 'body') }} from notes",
    )
    made.write(
        "models/fan_out.sql",
        "{{ config(materialized='table') }}\n"
        "select id, body, {{ samespace.embed_columns('hash64', \"body || '!'\", role='query') }} from many",
    )
    made.write(
        "models/alike.sql",
        "{{ config(materialized='table') }}\n"
        "select a.id as left_id, b.id as right_id, {{ samespace.similarity('a.vector', 'b.vector') }} as "
        "similarity\n"
        "from {{ ref('structs') }} as a cross join {{ ref('structs') }} as b",
    )


@pytest.fixture
def encodes(project: DbtProject) -> DbtProject:
    """The project on an engine whose queries can encode; others refuse: test_refusals_are_sentences."""
    if project.engine != "duckdb":
        pytest.skip("there is no Python in this server")
    return project


def encoder(project: DbtProject, name: str = "hash64"):
    row = project.query(
        "select model_id, digest, provider, dimension, spec from samespace.embedding_models where name = ?",
        [name],
    )[0]
    return load_encoder(ModelSpec(name, row[0], row[1], row[2], row[3], identity=json.loads(row[4])))


def test_embed_gives_vector_and_model_id(encodes: DbtProject) -> None:
    model = encoder(encodes)
    for key, model_id, vector in encodes.query("select id, vector.model_id, vector.embedding from structs"):
        assert model_id == model.spec.model_id
        if TEXTS[key] is None or not TEXTS[key].strip():
            assert vector is None
        else:
            np.testing.assert_array_equal(np.float32(vector), model.encode([TEXTS[key]])[0])


def test_embed_columns_give_the_vectors_of_the_materialization(encodes: DbtProject) -> None:
    assert encodes.query(
        "select count(*) from columns as c join notes_embedded as n using (id) "
        "where c.model_id is distinct from n.model_id or c.embedding is distinct from n.embedding"
    ) == [(0,)]
    types = dict(
        encodes.query("select column_name, data_type from duckdb_columns() where table_name = 'columns'")
    )
    assert types["embedding"] == "FLOAT[64]"


def test_repeated_texts_are_encoded_once_and_fan_out(encodes: DbtProject) -> None:
    model = encoder(encodes)
    rows = encodes.query("select distinct body, embedding from fan_out")
    assert len(rows) == 50
    for body, vector in rows:
        np.testing.assert_array_equal(np.float32(vector), model.encode([body + "!"], "query")[0])
    cache = "samespace.embedding_cache_" + model.spec.digest
    assert encodes.query(f"select count(*), count(distinct content_hash) from {cache}") == [(55, 55)]


def test_a_query_text_reads_back_bit_equal(project: DbtProject) -> None:
    [(vector,)] = project.query("select embedding from asked")
    np.testing.assert_array_equal(as_numbers(vector), encoder(project).encode(["it's lost"], "query")[0])


def test_the_materialization_holds_what_the_encoder_gives(project: DbtProject) -> None:
    model = encoder(project)
    for key, model_id, vector in project.query("select id, model_id, embedding from notes_embedded"):
        assert model_id == model.spec.model_id
        if TEXTS[key] is None or not TEXTS[key].strip():
            assert vector is None
        else:
            np.testing.assert_array_equal(as_numbers(vector), model.encode([TEXTS[key]])[0])


def test_similarity_is_the_cosine(encodes: DbtProject) -> None:
    vectors = dict(encodes.query("select id, vector.embedding from structs"))
    for left, right, similarity in encodes.query("select * from alike"):
        if vectors[left] is None or vectors[right] is None:
            assert similarity is None
        else:
            a, b = np.float64(vectors[left]), np.float64(vectors[right])
            expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            assert similarity == pytest.approx(expected, abs=1e-12)
            assert -1 <= similarity <= 1


def refused(project: DbtProject, **models: str) -> str:
    for name, text in models.items():
        project.write(f"models/refused/{name}.sql", text)
    outcome = project.dbt("run", "--select", "path:models/refused")
    for name in models:
        (project.root / f"models/refused/{name}.sql").unlink()
    assert [result["status"] for result in outcome.results] == ["error"] * len(models), outcome.output
    assert "Traceback" not in outcome.output
    return outcome.output


def test_refusals_are_sentences(project: DbtProject) -> None:
    table, view = "{{ config(materialized='table') }}\n", "{{ config(materialized='view') }}\n"
    output = refused(
        project,
        in_a_view=view + "select {{ samespace.embed('hash64', 'body') }} as vector from notes",
        unknown=table + "select {{ samespace.embed('mpnet', 'body') }} as vector from notes",
        bad_role=table + "select {{ samespace.embed_columns('hash64', 'body', role='query ') }} from notes",
        no_text=table + "select {{ samespace.embed('hash64', none) }} as vector from notes",
        blank_query=table + "select {{ samespace._query_vector('hash64', ' ', 'search') }} as e",
        two_spaces=table + "with x as (select {{ samespace.embed('hash64', 'body') }} as a,"
        " {{ samespace.embed('hash32', 'body') }} as b from notes)\n"
        "select {{ samespace.similarity('a', 'b') }} as s from x",
        no_model_id=table + "select {{ samespace.similarity('v', 'v') }} as s from"
        " (select cast(null as varchar) as model_id, array[1, 2]::float[2] as embedding) as v",
    )
    encoding = [
        "samespace.embed: there is no model 'mpnet' in the var samespace_models; "
        "known models: hash32, hash64",
        "They are different spaces. Re-embed one side, or pick one model.",
    ]
    if project.engine != "duckdb":
        encoding = [
            "samespace.embed: a query cannot encode a text on pgvector: there is no Python in the server. "
            "Make the texts an embedding model, {{ config(materialized='embedding', model=..., "
            "key=..., text=...) }}, and join it by its key",
        ]
    for sentence in [
        *encoding,
        "samespace.embed: a view that encodes fails in every client without Python",
        "samespace.embed_columns: role is 'query '; expected one of document, query",
        "samespace.embed: expression is None; expected a non-empty text",
        'samespace.search: the query text is " "; expected a text that is not blank',
        "samespace.similarity: the left vector is without a model_id",
    ]:
        assert sentence in output, output


def test_a_registry_edited_by_hand_is_refused_in_one_sentence(project: DbtProject) -> None:
    project.query("update samespace.embedding_models set checksum = reverse(checksum) where name = 'hash64'")
    output = refused(
        project,
        edited="{{ config(materialized='table') }}\n"
        "select {{ samespace._query_vector('hash64', 'never seen before', 'search') }} as vector",
    )
    project.query("update samespace.embedding_models set checksum = reverse(checksum) where name = 'hash64'")
    assert "is not what samespace wrote: it was edited or damaged" in output
    assert ".py" not in output


def test_without_the_plugin_the_profile_lines_are_shown(encodes: DbtProject) -> None:
    project = encodes
    project.target["plugins"] = []
    project.configure()
    output = refused(
        project,
        plain="{{ config(materialized='table') }}\nselect {{ samespace.embed('hash64', 'body') }} as v "
        "from notes",
        asked_for="{{ config(materialized='table') }}\nselect "
        "{{ samespace._query_vector('hash64', 'new', 'search') }} as e",
    )
    del project.target["plugins"]
    project.configure()
    for line in [
        "samespace.embed: needs the samespace plugin",
        "samespace.search: needs the samespace plugin",
        *PLUGIN,
    ]:
        assert line in output


def test_nothing_is_encoded_at_compile_time(project: DbtProject) -> None:
    encoding = ["structs"] if project.engine == "duckdb" else []
    outcome = project.dbt("compile", "--select", "asked", *encoding)
    assert outcome.ok, outcome.output
    compiled = (project.root / "target/compiled/scratch/models/asked.sql").read_text()
    assert f"cast(null as {databases.vector_type(project.output, 64)})" in compiled.lower()
