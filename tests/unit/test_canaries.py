"""The gate without a database: thresholds, what is registered, aliases, and when the check is repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_encoder import DIMENSION, SPEC, FakeEncoder, forget, load_changed, one_row, rotated
from memory_registry import MemoryRegistry
from samespace import canaries
from samespace.canaries import agreement, agrees, verified_encoder
from samespace.encoders.base import Encoder
from samespace.errors import CanaryError, StorageError
from samespace.spec import ModelSpec


@pytest.fixture(autouse=True)
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[FakeEncoder]:
    """A process that has loaded nothing yet; every encoder it loads from now on."""
    loaded: list[FakeEncoder] = []

    def load(spec: ModelSpec) -> FakeEncoder:
        loaded.append(FakeEncoder(spec))
        return loaded[-1]

    monkeypatch.setattr(canaries, "load_encoder", load)
    forget(monkeypatch)
    return loaded


def test_first_use_registers_and_later_use_checks(
    encoders: list[FakeEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    row = registry.rows[SPEC.model_id]
    assert row.canaries.shape == (len(canaries.TEXTS), DIMENSION) and row.canaries.dtype == np.float32
    assert row.unit_norm and row.verified and row.revision == "abc123" and row.space == SPEC.space
    for _ in range(3):
        verified_encoder(SPEC, registry)
    assert [encoder.calls for encoder in encoders] == [1]  # once per process and registry
    forget(monkeypatch)
    verified_encoder(SPEC, registry)
    assert registry.verified == [SPEC.model_id]
    assert encoders[-1].spec.identity["revision"] == "abc123"  # what was resolved then is loaded now


def test_a_second_registry_is_checked_too(encoders: list[FakeEncoder]) -> None:
    first, second = MemoryRegistry(), MemoryRegistry()
    verified_encoder(SPEC, first)
    verified_encoder(SPEC, second)
    assert len(encoders) == 1 and encoders[0].calls == 2 and second.rows
    second.rows.clear()  # dropped while the process lives
    verified_encoder(SPEC, second)
    assert second.rows


def test_a_model_that_another_process_registered_meanwhile_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, registry = MemoryRegistry(), MemoryRegistry()
    verified_encoder(SPEC, first)
    registry.before_check = lambda: registry.rows.update(first.rows)
    verified_encoder(SPEC, registry)
    assert registry.verified == [SPEC.model_id]
    registry.rows.clear()
    load_changed(monkeypatch, rotated(0.9))
    with pytest.raises(CanaryError, match="is not what is registered"):
        verified_encoder(SPEC, registry)


def test_both_roles_where_prompts_differ() -> None:
    registry = MemoryRegistry()
    verified_encoder(replace(SPEC, identity={"model": "m", "prompts": {"query": "q: "}}), registry)
    assert registry.rows[SPEC.model_id].canaries.shape[0] == 2 * len(canaries.TEXTS)


@pytest.mark.parametrize("change", [
    np.copy, rotated(0.99985), one_row(0.9992, 3), lambda rows: rows * np.float32(1.0009),
], ids=["same", "all at 0.99985", "one at 0.9992", "lengths by 0.09 %"])  # fmt: skip
def test_within_the_thresholds(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    load_changed(monkeypatch, change)
    verified_encoder(SPEC, registry)
    assert registry.verified == [SPEC.model_id]


@pytest.mark.parametrize("change", [
    rotated(0.99975), one_row(0.9988, 31), lambda rows: rows * np.float32(1.0011), np.negative,
    lambda rows: rows[::-1], np.zeros_like,
], ids=["all at 0.99975", "one at 0.9988", "lengths by 0.11 %", "signs", "order", "zeros"])  # fmt: skip
def test_beyond_the_thresholds(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    before = dict(registry.rows)
    load_changed(monkeypatch, change)
    for _ in range(2):  # a refusal is no pass
        with pytest.raises(CanaryError, match=r"is not what is registered as fake@11111111.*bump version"):
            verified_encoder(SPEC, registry)
    assert registry.rows == before and not registry.verified


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda rows: rows[:, :-1], "returns vectors of 15 numbers; its spec says dimension: 16"),
    (lambda rows: rows * np.float32(np.nan), "returns NaN or infinite numbers for ordinary texts"),
], ids=["dimension", "NaN"])  # fmt: skip
def test_nothing_unusable_is_registered(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], sentence: str
) -> None:
    registry = MemoryRegistry()
    load_changed(monkeypatch, change)
    with pytest.raises(CanaryError, match=sentence):
        verified_encoder(SPEC, registry)
    assert not registry.rows


def test_rows_without_a_vector_equal_themselves_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.eye(3, dtype=np.float32)
    missing = rows.copy()
    missing[1] = 0
    assert agrees(*agreement(missing, missing))
    assert not agrees(*agreement(rows, missing)) and not agrees(*agreement(missing, rows))


def test_one_short_id_of_two_fingerprints_is_refused() -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    with pytest.raises(StorageError, match=r"Two specs share a short id: rename the model 'fake'"):
        verified_encoder(replace(SPEC, digest="2" * 32), registry)


def test_another_list_of_canaries_is_never_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    registry.rows[SPEC.model_id] = replace(registry.rows[SPEC.model_id], canary_version=99)
    forget(monkeypatch)
    with pytest.raises(StorageError, match="was registered with canary list 99"):
        verified_encoder(SPEC, registry)


def test_a_new_name_is_held_to_the_vectors_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    renamed = replace(SPEC, name="new", model_id="new@11111111", space="fake@11111111")
    verified_encoder(renamed, registry)
    assert set(registry.rows) == {"fake@11111111", "new@11111111"}
    del registry.rows["new@11111111"]
    load_changed(monkeypatch, rotated(0.9))
    with pytest.raises(CanaryError, match="for new@11111111 is not what is registered as fake@"):
        verified_encoder(renamed, registry)


def alias_of(spec: ModelSpec, **changes: Any) -> ModelSpec:
    fields = {
        "name": "alias",
        "model_id": "alias@22222222",
        "digest": "2" * 32,
        "space": spec.space,
        "partner": spec,
    }
    return replace(spec, **{**fields, **changes})


def test_an_alias_proves_itself_against_the_root() -> None:
    registry = MemoryRegistry()
    verified_encoder(alias_of(SPEC), registry)
    assert set(registry.rows) == {"fake@11111111", "alias@22222222"}
    assert registry.rows["alias@22222222"].verified
    foreign = alias_of(SPEC, model_id="alias@33333333", digest="3" * 32, identity={"model": "m", "seed": 3})
    with pytest.raises(CanaryError, match="for alias@33333333 is not what is registered as fake@"):
        verified_encoder(foreign, registry)
    assert "alias@33333333" not in registry.rows


def test_a_tower_is_registered_as_unverified() -> None:
    registry = MemoryRegistry()
    verified_encoder(alias_of(SPEC, identity={"model": "m", "seed": 3}, verify=False), registry)
    assert not registry.rows["alias@22222222"].verified


def test_an_alias_declared_later_is_compared_then(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = MemoryRegistry()
    foreign = alias_of(SPEC, identity={"model": "m", "seed": 3}, space="alias@22222222", partner=None)
    verified_encoder(foreign, registry)
    verified_encoder(SPEC, registry)
    forget(monkeypatch)
    with pytest.raises(CanaryError, match="for alias@22222222 is not what is registered as fake@"):
        verified_encoder(replace(foreign, space=SPEC.space, partner=SPEC), registry)
    assert registry.rows["alias@22222222"].space == "alias@22222222"


def test_the_proof_comes_before_the_registration() -> None:
    registry = MemoryRegistry()

    def refuse(encoder: Encoder) -> None:
        raise CanaryError("not the model that made these")

    with pytest.raises(CanaryError, match="not the model"):
        verified_encoder(SPEC, registry, prove=refuse)
    assert not registry.rows
    verified_encoder(SPEC, registry)
    verified_encoder(SPEC, registry, prove=refuse)  # registered: nothing left to prove


def test_the_list_of_texts_is_frozen() -> None:
    """Registered vectors are those of these texts: another list needs another VERSION."""
    assert canaries.VERSION == 1 and len(canaries.TEXTS) == len(set(canaries.TEXTS)) == 32
    assert hashlib.sha256("\x00".join(canaries.TEXTS).encode()).hexdigest()[:16] == "14d2780036b32819"
