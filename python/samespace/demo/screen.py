"""What both demos print around their tables."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path

from samespace.demo.dbt import Outcome, Project, explain, sentence
from samespace.demo.errors import DemoError
from samespace.demo.tables import WIDTH, shorten

_CLEAR = "\r\x1b[K"
_PAUSE = 30.0


def say(line: str = "") -> None:
    """One line, at once: a long run must not look like a dead one."""
    _write((_CLEAR if sys.stdout.isatty() else "") + line + "\n")


def complain(line: str) -> None:
    """A sentence about what went wrong, apart from the story."""
    sys.stderr.write(f"\n{line}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class Progress:
    """Lines that replace each other on a terminal; elsewhere one in thirty seconds is printed."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, line: str) -> None:
        if sys.stdout.isatty():
            _write(_CLEAR + shorten(line, WIDTH - 1))
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _PAUSE
            _write(line + "\n")


def section(title: str, lines: Iterable[str]) -> None:
    """A numbered part of the story."""
    say(f"\n{title}")
    for line in lines:
        say(line)


def require(outcome: Outcome, project: Project) -> None:
    """Raise DemoError with dbt's own words when a command failed."""
    if not outcome.ok:
        raise DemoError("dbt stopped:\n" + explain(outcome.errors, project))


def dbt_command(folder: Path) -> str:
    """How to call the dbt of this environment from a folder."""
    script = Path(sys.prefix) / "bin" / "dbt"
    return os.path.relpath(script, folder) if script.is_file() else "dbt"


def refusal(asked: str, shown: Outcome) -> list[str]:
    """What dbt says to a search across two models. Raises DemoError where it was not refused."""
    words = sentence(shown.errors)
    if shown.ok or not words.startswith("samespace."):
        raise DemoError(
            f"The search across two models was not refused by samespace: {words or 'it returned rows.'}"
        )
    lines = textwrap.wrap(words, 92, break_long_words=False)
    return [
        f"    {asked}",
        "  does not run:",
        *(f"    {line}" for line in lines),
    ]


def short_path(path: Path) -> str:
    """A path relative to the current folder where it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
