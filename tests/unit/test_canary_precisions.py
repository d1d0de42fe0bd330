"""The gate and two precisions: the reference is fp32, bf16 is held to it and gives way where it disagrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from encoder_models import minilm
from fake_encoder import SPEC, FakeEncoder, direction, forget, load_changed, rotated
from memory_registry import MemoryRegistry
from samespace import canaries
from samespace.canaries import verified_encoder
from samespace.encoders import load_encoder
from samespace.errors import CanaryError
from samespace.spec import ModelSpec


class TwoPrecisions(FakeEncoder):
    """In bf16 its vectors are turned by an angle; what was asked for is written down."""

    far = 0.99995

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.asked: list[str] = []
        self.use_precision("bf16")

    def use_precision(self, precision: str) -> bool:
        self.asked.append(precision)
        self.precision = precision
        self.change = rotated(self.far) if precision == "bf16" else np.copy
        return True


@pytest.fixture
def two_precisions(monkeypatch: pytest.MonkeyPatch) -> type[TwoPrecisions]:
    monkeypatch.setattr(canaries, "load_encoder", TwoPrecisions)
    forget(monkeypatch)
    monkeypatch.setattr(TwoPrecisions, "far", 0.99995)
    return TwoPrecisions


def test_fp32_is_registered_and_bf16_is_held_to_it(
    two_precisions: type[TwoPrecisions], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MemoryRegistry()
    encoder = verified_encoder(SPEC, registry)
    assert isinstance(encoder, TwoPrecisions) and encoder.asked == ["bf16", "fp32", "bf16"]
    exact = np.vstack([direction(text, SPEC) for text in canaries.TEXTS])
    assert np.array_equal(registry.rows[SPEC.model_id].canaries, exact)
    forget(monkeypatch)
    again = verified_encoder(SPEC, registry)
    assert again.precision == "bf16" and isinstance(again, TwoPrecisions) and again.calls == 1


@pytest.mark.parametrize("first", [True, False])
def test_bf16_that_disagrees_gives_way_to_fp32(
    two_precisions: type[TwoPrecisions], monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    registry, said = MemoryRegistry(), list[str]()
    if not first:
        verified_encoder(SPEC, registry)
        forget(monkeypatch)
    monkeypatch.setattr(two_precisions, "far", 0.9990)
    assert verified_encoder(SPEC, registry, said.append).precision == "fp32"
    assert "fake: bf16 is too far from fp32 here, so this run computes in fp32." in said
    explicit = replace(SPEC, runtime={"precision": "bf16"})
    with pytest.raises(CanaryError, match=r"runtime.precision is 'bf16'.*Leave precision out"):
        verified_encoder(explicit, registry)


def test_fp32_that_disagrees_is_refused(
    two_precisions: type[TwoPrecisions], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    forget(monkeypatch)
    before = registry.rows[SPEC.model_id]
    registry.rows[SPEC.model_id] = replace(before, canaries=rotated(0.99)(before.canaries))
    with pytest.raises(CanaryError, match="is not what is registered"):
        verified_encoder(SPEC, registry)


@pytest.mark.parametrize(("far", "unit"), [(1e-7, True), (1e-4, False)])
def test_lengths_of_one_are_a_strict_fact(monkeypatch: pytest.MonkeyPatch, far: float, unit: bool) -> None:
    load_changed(monkeypatch, lambda rows: rows * np.float32(1 + far))
    registry = MemoryRegistry()
    verified_encoder(SPEC, registry)
    assert registry.rows[SPEC.model_id].unit_norm is unit


@pytest.mark.real_model
@pytest.mark.parametrize(("first", "second"), [
    ("sentence-transformers", "packed"), ("packed", "sentence-transformers"),
])  # fmt: skip
def test_engines_prove_each_other(monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    monkeypatch.setattr(canaries, "load_encoder", load_encoder)
    forget(monkeypatch)
    registry, model = MemoryRegistry(), minilm()
    verified_encoder(replace(model, runtime={"engine": first}), registry)
    kept = registry.rows[model.model_id].canaries
    verified_encoder(replace(model, runtime={"engine": second}), registry)
    assert registry.verified == [model.model_id]
    exact = load_encoder(replace(model, runtime={"engine": second, "precision": "fp32"}))
    assert np.abs(canaries.canary_vectors(model, exact) - kept).max() < 1e-5, "the reference is fp32"
