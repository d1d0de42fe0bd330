"""What the macro folder holds, read from the files: names, signatures, calls, and their documentation.

Used by docs/generate.py and by the repo-shape test, so both see the same macros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[1]
MACROS = REPO / "macros"
OPENING = re.compile(r"\{%-?\s*(macro|test|materialization)\s+(\w+)\s*")
CALL = re.compile(r"samespace\.(\w+)\s*\(|dispatch\(\s*['\"](\w+)['\"]")
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True)
class Macro:
    """One macro, generic test or materialization as written in a file."""

    name: str
    kind: str
    arguments: dict[str, str | None]
    body: str
    path: Path

    @property
    def folder(self) -> str:
        return self.path.relative_to(MACROS).parts[0]

    @property
    def documented_name(self) -> str:
        """The name dbt knows it by in a properties file."""
        return f"test_{self.name}" if self.kind == "test" else self.name

    @property
    def public(self) -> bool:
        hidden = self.name.startswith("_") or "__" in self.name or self.kind == "materialization"
        return not hidden and self.folder not in ("primitives", "internal")

    @cached_property
    def calls(self) -> frozenset[str]:
        return frozenset(first or second for first, second in CALL.findall(self.body))

    @property
    def signature(self) -> str:
        parts = [name if default is None else f"{name}={default}" for name, default in self.arguments.items()]
        return f"{self.name}({', '.join(parts)})"


def split_arguments(text: str) -> dict[str, str | None]:
    """``a, b=[1, 2]`` as names with their default, None where there is none."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        depth += (sign in "([{") - (sign in ")]}") if not quote else 0
        if sign == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    pairs = (part.partition("=") for part in parts if part.strip())
    return {name.strip(): default.strip() or None for name, _, default in pairs}


def _argument_text(text: str, start: int) -> str:
    """What stands between the parentheses that open at ``start``; empty where none do."""
    if text[start : start + 1] != "(":
        return ""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return text[start + 1 : position]
    raise ValueError("a parenthesis is never closed")


def read_macros(file: Path) -> Iterator[Macro]:
    """Every macro of one file, comments removed."""
    text = COMMENT.sub("", file.read_text())
    for opening in OPENING.finditer(text):
        kind, name = opening.groups()
        arguments = {} if kind == "materialization" else split_arguments(_argument_text(text, opening.end()))
        closing = re.compile(r"\{%-?\s*end" + kind).search(text, opening.end())
        body = text[opening.end() : closing.start() if closing else len(text)]
        yield Macro(name, kind, arguments, body, file)


def all_macros() -> list[Macro]:
    return [macro for file in sorted(MACROS.rglob("*.sql")) for macro in read_macros(file)]


def public_macros() -> list[Macro]:
    return [macro for macro in all_macros() if macro.public]


def documentation() -> dict[str, dict[str, Any]]:
    """The entries of all properties files under macros/, by name."""
    files = sorted([*MACROS.rglob("*.yml"), *MACROS.rglob("*.yaml")])
    contents = [yaml.safe_load(file.read_text()) or {} for file in files]
    return {entry["name"]: entry for content in contents for entry in content.get("macros", [])}


def engines() -> list[str]:
    """Engines with at least one body under primitives/, duckdb first."""
    found = {m.name.split("__")[0] for m in all_macros() if m.folder == "primitives" and "__" in m.name}
    return sorted(found - {"default", ""}, key=lambda name: (name != "duckdb", name))
