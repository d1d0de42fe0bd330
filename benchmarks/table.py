"""The tables of README.md and benchmarks/README.md, out of benchmarks/results/*.json, between markers.

    python benchmarks/table.py            write them
    python benchmarks/table.py --check    only say which page is out of date
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.report import DISTINCT, RESULTS, goal_table, header
from common.tables import significant, table

HERE = Path(__file__).resolve().parent
GROWTH = "growth"
Goal = Mapping[str, Any]


def contents(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What the scripts left in a folder, by name; the curves of growth come last."""
    read = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    found = [content for content in read if "goals" in content]
    return sorted(found, key=lambda content: (content["name"] == GROWTH, content["name"]))


def goals(folder: Path = RESULTS) -> list[Goal]:
    """The goals of all scripts."""
    return [goal for content in contents(folder) for goal in content["goals"]]


def measured(goal: Goal) -> str:
    """A goal's figure as a reader of one line takes it."""
    figure = significant(goal["ratio"], share=goal["value"] is not None)
    if goal["value"] is not None:
        return f"{figure} {goal['unit']}".strip()
    return f"**{figure}×** as fast" if goal["least"] is not None else f"**{figure}×** the time"


def short_row(goal: Goal) -> list[str]:
    work = goal["title"] or goal["work"]
    return [
        work + (f", {goal['variant']}" if goal["variant"] else ""), goal["peer"], measured(goal),
        {"cpu": "CPU time", "wall": "wall time"}[goal["by"]] if goal["value"] is None else "",
        goal["threads"], goal["precision"].strip(" /"),
    ]  # fmt: skip


def headline(goals_: Sequence[Goal]) -> list[Goal]:
    """Of a script's goals those for one line of the README: core-seconds rather than the clock where both are
    judged, and without the comparison on distinct inputs, which *best of each* contains."""
    judged_by_cpu = {_what(goal) for goal in goals_ if goal["by"] == "cpu"}
    return [
        goal for goal in goals_
        if goal["section"] != DISTINCT and (goal["by"] == "cpu" or _what(goal) not in judged_by_cpu)
    ]  # fmt: skip


def _what(goal: Goal) -> tuple[str, ...]:
    return tuple(str(goal[name]) for name in ("work", "ours", "peer", "section", "variant", "title"))


def short_table(found: Sequence[dict[str, Any]]) -> str:
    """The table of README.md: what each script compares, and its lines."""
    head = ["", "work", "against", "measured", "by", "threads, ours / peer", "precision, ours / peer"]
    rows = [
        ["" if place else f"**{one['title']}**", *short_row(goal)]
        for one in found if one["name"] != GROWTH
        for place, goal in enumerate(headline(one["goals"]))
    ]  # fmt: skip
    if not rows:
        return "Nothing has been measured yet."
    machine = header(found[0]["machine"]).splitlines()[0]
    return f"{table(head, rows)}\n\nMeasured on {machine}"


def long_tables(found: Sequence[dict[str, Any]]) -> str:
    """The tables of benchmarks/README.md: every goal of every script, under the way of comparing."""
    parts = []
    for content in found:
        about = content["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        parts.append(f"### {content['title']}")
        for section in dict.fromkeys(goal["section"] for goal in content["goals"]):
            chosen = [goal for goal in content["goals"] if goal["section"] == section]
            parts.append((f"{section[0].upper()}{section[1:]}:\n\n" if section else "") + goal_table(chosen))
        name = content["name"]
        parts.append(f"All lines: [results/{name}.md](results/{name}.md); {about['date']}, {versions}.")
    return "\n\n".join(parts) or "Nothing has been measured yet."


PAGES: dict[Path, tuple[str, Callable[[Sequence[dict[str, Any]]], str]]] = {
    HERE / "README.md": ("goals", long_tables),
    HERE.parent / "README.md": ("ratios", short_table),
}


def replaced(page: str, mark: str, text: str) -> str:
    """A page with the text between its two markers. Raises ValueError where it has none."""
    pattern = re.compile(rf"(<!-- {mark}[^>]*-->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no <!-- {mark} --> and <!-- /{mark} -->")
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page, count=1)


def outdated() -> list[Path]:
    """Pages that do not say what the results say."""
    found = contents()
    return [
        file for file, (mark, text) in PAGES.items()
        if (page := file.read_text(encoding="utf-8")) != replaced(page, mark, text(found))
    ]  # fmt: skip


def write() -> None:
    """Bring both pages up to date."""
    found = contents()
    for file, (mark, text) in PAGES.items():
        page = file.read_text(encoding="utf-8")
        file.write_text(replaced(page, mark, text(found)), encoding="utf-8")


def main() -> None:
    if "--check" not in sys.argv[1:]:
        write()
    elif old := outdated():
        names = ", ".join(str(file.relative_to(HERE.parent)) for file in old)
        raise SystemExit(f"out of date: {names}. Run `.venv/bin/python benchmarks/table.py`")


if __name__ == "__main__":
    main()
