"""A project whose encoder is slow, logs each call and fails on demand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.processes import EMBEDDED, Slow
from harness import DbtProject
from targets import Target

HERE = Path(__file__).resolve().parent
SLOW = {"provider": "slow", "model": "sha", "dimension": 16}


@pytest.fixture(scope="session")
def slow_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the slow encoder as an installed package."""
    folder = tmp_path_factory.mktemp("slow_package")
    shutil.copy(HERE / "slow_encoder.py", folder / "slow_encoder.py")
    info = folder / "slow_encoder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-encoder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[samespace.encoders]\nslow = slow_encoder:SlowEncoder\n")
    return folder


@pytest.fixture
def make_slow(tmp_path: Path, slow_package: Path) -> Iterator[Callable[..., Slow]]:
    """``make_slow(output)``: a model ``texts`` over raw_texts(id, body), which the test fills."""
    log, made = tmp_path / "calls.jsonl", []

    def make(output: dict[str, Any], name: str = "project", **options: Any) -> Slow:
        options = {"models": {"slow": SLOW}, **options}
        project = DbtProject(tmp_path / name, target={**output, "plugins": []}, **options)
        project.write("models/texts.sql", EMBEDDED + "select id, body from raw_texts\n")
        path = os.pathsep.join([str(slow_package), project.environment()["PYTHONPATH"]])
        made.append(Slow(project, {"PYTHONPATH": path, "SLOW_LOG": str(log)}, log))
        return made[-1]

    yield make
    for process in [process for one in made for process in one.running]:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def slow(make_slow: Callable[..., Slow], tmp_path: Path, target: Target) -> Slow:
    """The project on every engine."""
    return make_slow(target.output(tmp_path / "project"))
