"""Drive dbt in a process of its own and turn its log into a few lines for a person."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samespace.demo.errors import DemoError
from samespace.demo.places import Place
from samespace.demo.session import END
from samespace.demo.tables import one_line, shorten

_RESULTS = ("LogModelResult", "LogSeedResult", "LogTestResult")
_QUIET = ("EndOfRunSummary", "StatsLine")


_PREFACE = re.compile(r"^Encountered an error(?: while running operation)?:|\x1b\[\d*m")
_PROGRESS = re.compile(r"\b\d+ s (left|to go)\b")


@dataclass
class Outcome:
    """What one dbt command did: whether it succeeded, its errors, and how many tests passed."""

    ok: bool = False
    errors: list[str] = field(default_factory=list)
    tests: int = 0


@dataclass(frozen=True)
class Project:
    """A dbt project folder with its own profiles.yml, and where that leads."""

    root: Path
    place: Place


# After a pull, dbt's partial parse may stop with "'samespace' is undefined"; parsing anew takes 2 s.
BUILD = ["build", "--no-partial-parse"]
Say = Callable[[str], None]


def run(project: Project, commands: list[list[str]], say: Say, progress: Say) -> list[Outcome]:
    """Run the commands, telling ``say`` and ``progress``. An outcome per command that was started.

    Raises DemoError when the process ends without finishing a command.
    """
    command = [sys.executable, "-m", "samespace.demo.session", json.dumps(commands)]
    process = subprocess.Popen(
        command, cwd=project.root, env=_environment(project), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    )  # fmt: skip
    outcomes, rest = [Outcome()], list[str]()
    try:
        for event in _events(process, rest):
            if END in event:
                _close(outcomes[-1], event[END])
                outcomes.append(Outcome())
            else:
                _hear(event, outcomes[-1], say, progress)
    except KeyboardInterrupt:
        process.wait()
        raise
    if process.wait() and len(outcomes) <= 1:
        raise DemoError("dbt stopped unexpectedly:\n" + "\n".join(rest[-15:]))
    return outcomes[:-1]


def _environment(project: Project) -> dict[str, str]:
    here = str(Path(__file__).resolve().parents[2])
    return {
        **os.environ,
        # The child runs in another folder: a relative PYTHONPATH would no longer lead here.
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
        "DBT_PROFILES_DIR": str(project.root),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "SAMESPACE_TARGET": project.place.target,
        **project.place.environment,
        # Both models ship in packages: nothing here may wait for a hub.
        "HF_HUB_OFFLINE": "1",
    }


def _events(process: subprocess.Popen[str], rest: list[str]) -> Iterator[dict[str, Any]]:
    """The JSON lines of the log; other lines go to ``rest``, to be shown if the process dies."""
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            yield event
        elif line.strip():
            rest.append(line.rstrip())


def _close(outcome: Outcome, end: dict[str, Any]) -> None:
    outcome.ok = bool(end["ok"])
    if not outcome.ok and end["error"]:
        outcome.errors.append(end["error"].strip())
    if not outcome.ok and not outcome.errors:
        outcome.errors.append(
            "dbt failed without saying why; its log is logs/dbt.log in the project's folder"
        )


def _hear(event: dict[str, Any], outcome: Outcome, say: Say, progress: Say) -> None:
    info, data = event.get("info", {}), event.get("data", {})
    name, message = info.get("name"), str(info.get("msg", ""))
    if name in _RESULTS:
        _tell_result(data, outcome, say)
    elif name == "LogStartLine" and data.get("node_info", {}).get("materialized") == "embedding":
        say(f"  {data['node_info']['node_name']:30}  embedding ...")
    elif info.get("level") == "error" and name not in _QUIET:
        outcome.errors.append(_PREFACE.sub("", message).strip())
    elif message.startswith("samespace") or "samespace" in str(data.get("name", "")).lower():
        message = one_line(message).removeprefix("samespace adapter: ")
        if _PROGRESS.search(message):
            progress(f"  {message}")
        else:
            say(textwrap.fill(message, 96, initial_indent="  ", subsequent_indent="    "))


def _tell_result(data: dict[str, Any], outcome: Outcome, say: Say) -> None:
    node = data.get("node_info", {})
    if node.get("resource_type") == "test":
        outcome.tests += node.get("node_status") == "pass"
        return
    name = shorten(str(node.get("node_name", "")), 30)
    status = one_line(data.get("status", "")).replace("CREATE ", "")
    say(f"  {name:30}  {shorten(status, 54):54}  {float(data.get('execution_time') or 0):5.1f} s")


def explain(errors: list[str], project: Project) -> str:
    """dbt's errors for a person: the usual ones in a sentence, the others as dbt words them."""
    return project.place.explain("\n".join(dict.fromkeys(error for error in errors if error)))


def sentence(errors: list[str]) -> str:
    """The line of an error that samespace itself wrote."""
    for line in "\n".join(errors).splitlines():
        if "samespace." in line and ": " in line:
            return line.strip()
    return one_line(errors[0] if errors else "")
