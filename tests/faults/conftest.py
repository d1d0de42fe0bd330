"""A project whose encoder is slow, logs each call and fails on demand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from faults.processes import Slow
from harness import DbtProject

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
def slow(tmp_path: Path, slow_package: Path):
    """One embedding model, ``texts``, over the table raw_texts(id, body), which the test fills."""
    project = DbtProject(tmp_path / "project", models={"slow": SLOW}, target={"plugins": []})
    project.write(
        "models/texts.sql",
        (
            "{{ config(materialized='embedding', model='slow', key='id', text='body') }}\n"
            "select id, body from raw_texts\n"
        ),
    )
    log = tmp_path / "calls.jsonl"
    path = os.pathsep.join([str(slow_package), project.environment()["PYTHONPATH"]])
    made = Slow(project, {"PYTHONPATH": path, "SLOW_LOG": str(log)}, log)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.communicate()
