"""One table per script: printed, and kept in benchmarks/results as markdown and as json.

``Line`` is a measurement, ``Goal`` compares two of them (or judges one value), ``report`` writes both down.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.machine import describe
from common.tables import seconds, significant, table

# The three ways of comparing: the section of a line, where a work is compared in more than one way.
DISTINCT = "distinct inputs on both sides"
SAME_PRECISION = "the same precision on both sides"
BEST = "best of each"
RESULTS = Path(__file__).resolve().parents[1] / "results"
BF16 = "with bf16 units"
FP32 = "without bf16 units"


@dataclass(frozen=True)
class Line:
    """One contender at one work: medians of wall and CPU seconds; ``section`` is a way of comparing."""

    work: str
    contender: str
    threads: int | str
    precision: str
    wall: float
    cpu: float
    note: str = ""
    section: str = ""


@dataclass(frozen=True)
class Goal:
    """What was aimed at. Three forms:

    - ``least``: time of ``peer`` over time of ``ours`` (times as fast), at least so much;
    - ``most``: time of ``ours`` over time of ``peer`` (what it costs more), at most so much;
    - ``value`` with ``least`` or ``most`` and a ``unit``: a figure that is no ratio of two lines (a recall).

    ``by`` is ``cpu`` (core-seconds) or ``wall``. ``ours`` and ``peer`` are contenders of ``work`` in
    ``section``; ``variant`` says under which condition (``BF16``, ``FP32``); ``title`` is the work's name in
    summaries.
    """

    work: str
    ours: str = ""
    peer: str = ""
    least: float | None = None
    most: float | None = None
    by: str = "cpu"
    section: str = ""
    value: float | None = None
    unit: str = "×"
    variant: str = ""
    title: str = ""


def _found(lines: Sequence[Line], goal: Goal, contender: str) -> Line:
    for line in lines:
        if (line.section, line.work, line.contender) == (goal.section, goal.work, contender):
            return line
    raise KeyError(f"no line for {contender!r} at {goal.work!r} in section {goal.section!r}")


def judged(goal: Goal, lines: Sequence[Line]) -> dict[str, Any]:
    """A goal with its ratio or value, what it was measured with, and whether it holds."""
    answer = asdict(goal) | {"ratio": goal.value, "threads": "", "precision": ""}
    if goal.value is None:
        ours, peer = _found(lines, goal, goal.ours), _found(lines, goal, goal.peer)
        mine, theirs = getattr(ours, goal.by), getattr(peer, goal.by)
        answer["ratio"] = theirs / mine if goal.least is not None else mine / theirs
        for field in ("threads", "precision"):
            answer[field] = " / ".join(str(getattr(side, field)) for side in (ours, peer))
    above = goal.least is None or answer["ratio"] >= goal.least
    answer["met"] = above and (goal.most is None or answer["ratio"] <= goal.most)
    return answer


def goal_cells(goal: Mapping[str, Any]) -> list[str]:
    """One row of a table of goals: work, ours, peer, measured, goal, holds, threads, precision."""
    limits = [
        f"{sign} {goal[name]:,g}"
        for sign, name in (("≥", "least"), ("≤", "most"))
        if goal[name] is not None
    ]
    unit = goal["unit"] if goal["unit"] == "×" else f" {goal['unit']}"
    work = goal["title"] or goal["work"]
    by = f" ({goal['by']})" if goal["value"] is None else ""
    figure = significant(goal["ratio"], share=goal["value"] is not None)
    return [
        work + (f", {goal['variant']}" if goal["variant"] else ""), goal["ours"], goal["peer"],
        figure + unit.rstrip() + by, ", ".join(limits) + unit.rstrip(),
        "yes" if goal["met"] else "no", goal["threads"], goal["precision"],
    ]  # fmt: skip


GOAL_HEAD = [
    "work", "ours", "peer", "measured", "goal", "holds", "threads, ours / peer", "precision, ours / peer",
]  # fmt: skip


def goal_table(goals: Sequence[Mapping[str, Any]]) -> str:
    return table(GOAL_HEAD, [goal_cells(goal) for goal in goals])


def _line_cells(line: Line, lines: Sequence[Line], baseline: str) -> list[str]:
    base = next(
        (o for o in lines if (o.section, o.work, o.contender) == (line.section, line.work, baseline)), None
    )
    ratios = ["", ""]
    if base is not None:
        ratios = [significant(base.cpu / line.cpu) if line.cpu else "", significant(base.wall / line.wall)]
    return [
        line.work, line.contender, str(line.threads), line.precision, seconds(line.wall), seconds(line.cpu),
        *ratios, line.note,
    ]  # fmt: skip


def line_tables(lines: Sequence[Line], baseline: str) -> str:
    """One table per section; ratios: how many times as fast as the baseline, by CPU time and by wall time."""
    head = ["work", "contender", "threads", "precision", "wall", "CPU", "CPU ×", "wall ×", "note"]
    parts = [f"CPU × and wall ×: times as fast as *{baseline}*, per core-second and by the clock."]
    parts = parts if baseline else []
    for section in dict.fromkeys(line.section for line in lines):
        rows = [_line_cells(line, lines, baseline) for line in lines if line.section == section]
        # Ratios without a baseline, and notes that nobody made.
        kept = [place for place in range(len(head)) if place < 6 or any(row[place] for row in rows)]
        numbers = frozenset(at for at, place in enumerate(kept) if place in {2, 4, 5, 6, 7})
        text = table([head[i] for i in kept], [[row[i] for i in kept] for row in rows], numbers)
        parts.append((f"### {section[0].upper()}{section[1:]}\n\n" if section else "") + text)
    return "\n\n".join(parts)


def header(about: Mapping[str, Any]) -> str:
    """The machine in a paragraph."""
    units = ", ".join(about["units"]) or "no units for bf16"
    variables = "".join(f", {name}={value}" for name, value in about["environment"].items())
    used = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"{about['cores']} cores ({about['architecture']}; {units}), {about['memory_gib']} GiB, load before "
        f"{about['load_before']}{variables}; {about['date']}.\n{used}."
    )


def _goals(goal: Goal | str | Sequence[Goal | str] | None) -> tuple[list[Goal], list[str]]:
    given = [] if goal is None else [goal] if isinstance(goal, Goal | str) else list(goal)
    return [one for one in given if isinstance(one, Goal)], [one for one in given if isinstance(one, str)]


def results_folder(small: bool) -> Path | None:
    """$SAMESPACE_BENCH_RESULTS, else benchmarks/results; a small run is kept only in the former."""
    named = os.environ.get("SAMESPACE_BENCH_RESULTS")
    if named:
        return Path(named)
    return None if small else RESULTS


def report(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    baseline: str,
    goal: Goal | str | Sequence[Goal | str] | None = None,
    facts: Mapping[str, object] | None = None,
    small: bool = False,
    packages: Sequence[str] = (),
    show: bool = True,
) -> dict[str, Any]:
    """Print the table; keep ``<name>.md`` and ``.json`` where ``results_folder`` says. Returns the json.

    ``facts`` are sentences or figures that belong to the run (rows, recall, versions of servers);
    ``packages`` are distributions whose versions matter although this process has not imported them.
    An empty ``baseline`` leaves out the ratios.
    """
    goals, words = _goals(goal)
    about = describe(packages)
    found = [judged(one, lines) for one in goals]
    content = {
        "name": name, "title": title, "small": small, "baseline": baseline, "machine": about,
        "facts": dict(facts or {}), "aims": words, "goals": found, "lines": [asdict(line) for line in lines],
    }  # fmt: skip
    command = f"benchmarks/bench_{name}.py{' --small' if small else ''}"
    parts = [f"# {title}", f"Written by `{command}`.", header(about)]
    if facts:
        parts.append("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    parts.append(line_tables(lines, baseline))
    if found:
        parts.append("## Goals\n\n" + goal_table(found))
    parts += [f"Aim: {sentence}" for sentence in words]
    text = "\n\n".join(parts) + "\n"
    if show:
        print(text, flush=True)
    folder = results_folder(small)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(text)
        kept = json.dumps(content, indent=1, default=str, ensure_ascii=False)
        (folder / f"{name}.json").write_text(kept + "\n")
    return content
