"""A provider from a package of its own, and projects that use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from counting import COUNTING, PROVIDER, CountedProject
from harness import DbtProject


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like an installed package that declares the entry point group ``samespace.encoders``."""
    folder = tmp_path_factory.mktemp("provider")
    (folder / "counting_provider.py").write_text(PROVIDER)
    info = folder / "counting_provider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting-provider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[samespace.encoders]\ncounting = counting_provider:CountingEncoder\n"
    )
    return folder


@pytest.fixture(scope="session")
def counted_project(make_project: Callable[..., DbtProject], provider: Path) -> Callable[..., CountedProject]:
    """``counted_project("name", on=target, models={...})``: a project on the counting provider."""

    def make(name: str, models: dict[str, Any] | None = None, **options: Any) -> CountedProject:
        options.setdefault("target", {"plugins": []})
        return CountedProject(make_project(name, models=models or {"count": COUNTING}, **options), provider)

    return make
