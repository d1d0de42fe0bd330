"""Contenders that need a process of their own: a cold start, a dbt run. Times of exactly that process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.timing import Took

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """One finished process: wall and CPU seconds (its own children included), and what it printed."""

    wall: float
    cpu: float
    output: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This one, with the package of this checkout first, offline and quiet."""
    return {
        **os.environ, "PYTHONPATH": str(REPO / "python"), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **(more or {}),
    }  # fmt: skip


def run(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    """Run a command to its end. Raises SystemExit with its output where it fails."""
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), cwd=cwd, env=environment(env), stdin=subprocess.DEVNULL,
            stdout=printed, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # Of this child alone, whatever else this process has started and waited for.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}:\n{output[-4000:]}")
    return Ran(wall, usage.ru_utime + usage.ru_stime, output)


def python(code: str, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
    """Run code in a fresh interpreter; ``arguments`` are its sys.argv[1:]."""
    return run([sys.executable, "-c", code, *arguments], env=env)


def interleaved_runs(
    contenders: Mapping[str, Callable[[], Ran]], *, rounds: int = 5, warm_up: int = 1
) -> dict[str, Took]:
    """Like ``timing.interleaved`` for contenders that measure themselves; the answer is the last output."""
    seen: dict[str, list[Ran]] = {name: [] for name in contenders}
    for number in range(warm_up + rounds):
        for name, contender in contenders.items():
            ran = contender()
            if number >= warm_up:
                seen[name].append(ran)
    return {
        name: Took(
            statistics.median(ran.wall for ran in runs), statistics.median(ran.cpu for ran in runs),
            rounds, runs[-1].output,
        )
        for name, runs in seen.items()
    }  # fmt: skip
