"""The engines of the kernels, each with blocks so small that even a test has many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from samespace.kernels import _engines
from samespace.kernels._gemm import Engine, NumpyEngine
from samespace.kernels._torch_gemm import TorchEngine

ENGINES: dict[str, Callable[[], Engine]] = {
    "numpy fp32": NumpyEngine,
    "torch fp32": lambda: TorchEngine(1, half=False),
    "torch bf16": lambda: TorchEngine(1, half=True),
    "torch bf16, 2 threads": lambda: TorchEngine(2, half=True),
}
every_engine = pytest.mark.parametrize("name", ENGINES)


def use(monkeypatch: pytest.MonkeyPatch, name: str, *, tall: int = 0, wide: int = 0) -> list[Engine]:
    """Have every kernel call use this engine; returns the list of those made."""
    made: list[Engine] = []

    def choose(*_: object) -> Engine:
        engine = ENGINES[name]()
        engine.tall, engine.wide = tall or engine.tall, wide or engine.wide
        made.append(engine)
        return engine

    monkeypatch.setattr(_engines, "choose", choose)
    return made
