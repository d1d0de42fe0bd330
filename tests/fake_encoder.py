"""An encoder without a model for tests of the gate: its vectors follow from the text, a test changes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from samespace import canaries
from samespace.encoders.base import Encoder
from samespace.spec import ModelSpec, Role

DIMENSION = 16
SPEC = ModelSpec("fake", "fake@11111111", "1" * 32, "fake", DIMENSION, {"model": "m"}, space="fake@11111111")


class FakeEncoder(Encoder):
    """Directions by text and seed, with a scale, noise and an angle that a test chooses."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.calls = 0
        self.change: Callable[[Any], Any] = lambda rows: rows
        self.resolved_revision = spec.identity.get("revision") or "abc123"

    def encode(self, values: Sequence[str], role: Role = "document") -> Any:
        self.calls += 1
        rows = np.vstack([direction(self.spec.prompt(role) + value, self.spec) for value in values])
        return self.change(rows)


def direction(text: str, spec: ModelSpec) -> Any:
    seed = [*text.encode(), *str(spec.identity.get("seed", "")).encode()]
    row = np.random.default_rng(seed).normal(size=DIMENSION)
    return (row / np.linalg.norm(row)).astype(np.float32)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process: nothing is loaded, nothing has passed."""
    monkeypatch.setattr(canaries, "_loaded", {})
    monkeypatch.setattr(canaries, "_passed", set())


def load_changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    def load(spec: ModelSpec) -> FakeEncoder:
        encoder = FakeEncoder(spec)
        encoder.change = change
        return encoder

    monkeypatch.setattr(canaries, "load_encoder", load)
    forget(monkeypatch)


def rotated(cosine: float) -> Callable[[Any], Any]:
    """Every row turned away so far that its cosine with what it was is this."""

    def change(rows: Any) -> Any:
        other = np.roll(rows, 1, axis=1) * np.where(np.arange(DIMENSION) % 2, 1, -1)
        other -= (other * rows).sum(axis=1, keepdims=True) * rows
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        return (cosine * rows + np.sqrt(1 - cosine**2) * other).astype(np.float32)

    return change


def one_row(cosine: float, row: int) -> Callable[[Any], Any]:
    def change(rows: Any) -> Any:
        changed = rows.copy()
        changed[row] = rotated(cosine)(rows)[row]
        return changed

    return change
