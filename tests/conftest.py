"""What every test shares: no network, no telemetry, long folders first, the labelled data if it is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before any test imports a library that reads them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Tests are many small processes: threads that wait for each other at barriers cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Pages show the figures of float32, which every processor gives; tests of bfloat16 ask for it themselves.
os.environ.setdefault("SAMESPACE_NO_BF16", "1")

import pytest_run
from harness import REPO, DbtProject
from hypothesis import HealthCheck, settings
from targets import TARGETS, Target

# Before pytest-xdist starts its processes, which share it.
pytest_run.begin()

# A machine under load is no reason to fail: no deadline; the same examples on every run.
settings.register_profile(
    "samespace", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("samespace")

# A file is the work of one process; these load a real model in many processes of their own.
LONGEST = ["test_demo.py", "test_demo_file.py", "test_readme.py", "test_incremental.py"]
FOLDERS = ["faults", "materialization", "adapter", "dialects", "consumer", "unit"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: two processes that share the files then end together."""

    def order(item: pytest.Item) -> int:
        if item.path.name in LONGEST:
            return -1
        part = item.path.relative_to(REPO / "tests").parts[0]
        return FOLDERS.index(part) if part in FOLDERS else 0

    items.sort(key=order)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled data beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SAMESPACE_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the labelled data (../shared/data, or SAMESPACE_DATA) is not here")
    return folder


@pytest.fixture(scope="session", params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    """Every database the package supports, one after the other; started when first asked for."""
    chosen: Target = request.param
    return chosen


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DbtProject]:
    """``make_project("search", on=target, models={...})``: a scratch project that installs this package."""

    def make(name: str, on: Target | None = None, **options: Any) -> DbtProject:
        folder = tmp_path_factory.mktemp(name)
        if on is not None:
            options["target"] = {**on.output(folder), **options.get("target", {})}
        return DbtProject(folder, **options)

    return make
