"""What the processes of one pytest run (pytest-xdist has several) share: a folder that goes with the run."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

NAME = "SAMESPACE_TESTS_FOLDER"


def begin() -> None:
    """Make the folder, in the first process of a run; the processes it starts find it in the environment."""
    if NAME not in os.environ:
        # Not in a longer TMPDIR: the name of a socket has 104 characters or fewer.
        made = tempfile.mkdtemp(prefix="samespace-tests-", dir="/tmp" if Path("/tmp").is_dir() else None)
        os.environ[NAME] = f"{made}:{os.getpid()}"
        atexit.register(_end, Path(made), os.getpid())


def folder() -> Path:
    """The folder of this run."""
    begin()
    return Path(os.environ[NAME].rpartition(":")[0])


def owner() -> int:
    """The process that began this run; what is shared ends with it."""
    begin()
    return int(os.environ[NAME].rpartition(":")[2])


def _end(made: Path, process: int) -> None:
    # Forked children inherit what runs at exit.
    if os.getpid() == process:
        shutil.rmtree(made, ignore_errors=True)
