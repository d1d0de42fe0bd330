"""The demo in processes of its own, as `make demo` starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import REPO

Demo = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def outside() -> Iterator[Path]:
    """A folder that is not below pytest's own: each pytest that starts closes that to other accounts, and for
    root PostgreSQL runs under another one."""
    with tempfile.TemporaryDirectory(prefix="samespace-demo-") as made:
        yield Path(made)


def starter(folder: Path) -> Demo:
    """Run a Python of the demo with its databases, target and logs in a folder."""
    environment = {
        **os.environ, "SAMESPACE_DUCKDB_PATH": str(folder / "demo.duckdb"),
        "SAMESPACE_POSTGRES_PATH": str(folder / "postgres"),
        "DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs"),
        "PYTHONPATH": str(REPO / "python"), "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=REPO, env=environment,
            capture_output=True, text=True, encoding="utf-8", timeout=600, check=False,
        )  # fmt: skip

    return run
