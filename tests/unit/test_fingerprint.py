"""Python receives ids and never derives one: two implementations of a fingerprint would disagree one day."""

from __future__ import annotations

import json
import re

import pytest
from harness import REPO
from samespace.errors import SpecError
from samespace.spec import ModelSpec

FIELDS = {
    "name": "minilm", "model_id": "minilm@not-a-hash", "digest": "whatever dbt says", "provider": "hashing",
    "dimension": 8, "identity": {"model": "x", "prompts": {"query": "q: "}}, "load_from": None,
    "runtime": {"device": "cpu"}, "trust_remote_code": False, "space": "root@1", "verify": True,
    "partner": {"name": "root", "model_id": "root@1", "digest": "d", "provider": "hashing", "dimension": 8,
                "identity": {"model": "y"}},
}  # fmt: skip


def test_python_takes_the_ids_it_is_given() -> None:
    spec = ModelSpec.from_json(json.dumps(FIELDS))
    assert (spec.model_id, spec.digest, spec.space) == ("minilm@not-a-hash", "whatever dbt says", "root@1")
    assert spec.partner is not None and spec.partner.space == spec.partner.model_id == "root@1"


def test_no_python_file_makes_a_fingerprint() -> None:
    found = [
        str(file.relative_to(REPO))
        for file in (REPO / "python" / "samespace").rglob("*.py")
        if re.search(r"\bmd5\b|[\"']@[\"']|@\{", file.read_text())
    ]
    assert found == []


def test_roles_collapse_where_prompts_are_equal() -> None:
    prompted = ModelSpec.from_dict(FIELDS)
    plain = ModelSpec.from_dict({**FIELDS, "identity": {"model": "x"}})
    assert [prompted.cache_role("query"), prompted.cache_role("document")] == ["query", "document"]
    assert [plain.cache_role("query"), plain.cache_role("document")] == ["document", "document"]
    assert prompted.prompt("query") == "q: " and prompted.prompt("document") == ""


def test_what_the_registry_keeps_holds_no_location() -> None:
    kept = json.loads(ModelSpec.from_dict(FIELDS).to_json())
    assert kept == {"model": "x", "prompts": {"query": "q: "}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x"}', "7"])
def test_what_is_no_spec_is_an_error_with_a_way_out(text: str) -> None:
    with pytest.raises(SpecError, match=r"this is not a model spec: .*same version\?"):
        ModelSpec.from_json(text)
