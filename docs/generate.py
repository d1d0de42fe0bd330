"""Write docs/macros.md and docs/support.md from the macro files; --check only says what is out of date."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macro_index import Macro, all_macros, documentation, engines, public_macros

DOCS = Path(__file__).resolve().parent
NOTE = "<!-- Written by `make docs` from the macro files. Edit those, not this page. -->"
REFUSES = re.compile(r"samespace\._raise|samespace\._unsupported|raise_compiler_error|raise_not_implemented")
# A sentence of the description that starts with "Columns:" or "Output:" and ends where another one begins.
OUTPUT = re.compile(r"\b(?:Columns|Output(?: columns)?|Returns):\s*(.+?)\.(?=\s+[A-Z]|\s*$)\s*")
# Which engine's bodies an engine falls back to before default__, as dbt dispatches.
PARENTS = {"pgvector": "postgres"}


@dataclass(frozen=True)
class Page:
    path: Path
    text: Callable[[], str]


def cell(text: str) -> str:
    """Text on one line, safe inside a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def split_output(entry: dict[str, Any]) -> tuple[str, str]:
    """The description and what the macro gives, from ``meta: {output: …}`` or a sentence ``Columns: …``."""
    description = cell(entry.get("description", ""))
    meta = entry.get("meta") or (entry.get("config") or {}).get("meta") or {}
    if "output" in meta:
        return description, cell(str(meta["output"]))
    found = OUTPUT.search(description)
    if not found:
        return description, ""
    return (description[: found.start()] + description[found.end() :]).strip(), found.group(1)


def by_folder(macros: Iterable[Macro]) -> dict[str, list[Macro]]:
    folders: dict[str, list[Macro]] = {}
    for macro in macros:
        folders.setdefault(macro.folder, []).append(macro)
    return folders


def arguments_text(macro: Macro, entry: dict[str, Any]) -> str:
    documented = {argument["name"]: argument for argument in entry.get("arguments", [])}
    lines = []
    for name, default in macro.arguments.items():
        about = documented.get(name, {})
        kind = cell(str(about.get("type", "")))
        shown = f"`{name}`" if default is None or default == "none" else f"`{name}={cell(default)}`"
        lines.append(f"{shown} {kind}: {cell(about.get('description', ''))}".rstrip(": "))
    return "<br>".join(lines)


def macros_page() -> str:
    entries = documentation()
    lines = [
        "# Macros", "", NOTE, "",
        "Call them as `{{ samespace.<macro>(…) }}`; `relation` is a `ref()`, a `source()` or a Relation,",
        "and everything after it is best given by name. [spaces.md](spaces.md) explains what may be compared",
        "with what, and [support.md](support.md) on which database each macro runs.", "",
    ]
    for folder, macros in by_folder(public_macros()).items():
        lines += [f"## {folder.replace('_', ' ').capitalize()}", ""]
        lines += ["| macro | what it does | arguments | output |", "|---|---|---|---|"]
        for macro in macros:
            entry = entries.get(macro.documented_name, {})
            description, output = split_output(entry)
            lines.append(f"| `{macro.name}` | {description} | {arguments_text(macro, entry)} | {output} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True)
class Bodies:
    """Every macro by name, to follow calls down to the engine bodies."""

    macros: dict[str, Macro]

    def on(self, name: str, engine: str) -> Macro | None:
        """The body dbt dispatches to on an engine; None where it only refuses."""
        prefixes = [engine, PARENTS.get(engine, engine), "default"]
        for prefix in prefixes:
            body = self.macros.get(f"{prefix}__{name}")
            if body is not None:
                refuses = body.folder == "primitives" and prefix == "default" and REFUSES.search(body.body)
                return None if refuses else body
        return self.macros.get(name)

    def missing(self, name: str, engine: str, seen: set[str]) -> set[str]:
        """Primitives below a macro that have no body on an engine; ``seen`` collects what was visited."""
        if name in seen:
            return set()
        seen.add(name)
        wrapper, body = self.macros.get(name), self.on(name, engine)
        if body is None:
            return {name}
        calls = body.calls | (wrapper.calls if wrapper else frozenset())
        known = (call for call in sorted(calls) if call in self.macros or f"default__{call}" in self.macros)
        return set().union(*(self.missing(call, engine, seen) for call in known))


# Asked only where there is an index to ask.
INDEX = {"index_distance", "index_effort"}


def support(macro: Macro, engine: str, bodies: Bodies) -> str:
    """``sql``, ``kernel``, both, or what is missing."""
    seen: set[str] = set()
    missing = bodies.missing(macro.name, engine, seen) - INDEX
    kernel = "run_kernel" in seen and "run_kernel" not in missing
    plain = "run_kernel" not in seen or "method" in macro.arguments
    if missing == {"query_vector"} and "query_key" in macro.arguments:
        return "sql, but for query texts"
    if missing - {"run_kernel"} or not (kernel or plain):
        return f"no ({', '.join(f'`{name}`' for name in sorted(missing))})"
    return ", ".join(word for word, holds in (("sql", plain), ("kernel", kernel)) if holds)


def support_page() -> str:
    every = all_macros()
    bodies = Bodies({macro.name: macro for macro in every})
    columns = engines()
    lines = [
        "# Which macro runs where", "", NOTE, "",
        "`sql`: plain SQL, in models of every materialization, views included. `kernel`: a Python function",
        "inside dbt's own connection, in `dbt run` and `dbt build` of a table or incremental model. Where",
        "both stand, `method='auto'` takes the kernel wherever one can run, and the rows are the same. `no`",
        "names the primitive that has no body yet.",
        "", f"| macro | {' | '.join(columns)} |", "|---|" + "---|" * len(columns),
    ]
    for macro in public_macros():
        cells = [support(macro, engine, bodies) for engine in columns]
        lines.append(f"| `{macro.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


PAGES = [Page(DOCS / "macros.md", macros_page), Page(DOCS / "support.md", support_page)]


def main(check: bool) -> int:
    stale = [page for page in PAGES if not page.path.exists() or page.path.read_text() != page.text()]
    for page in stale:
        if check:
            print(f"docs/{page.path.name} is out of date: run `make docs`", file=sys.stderr)
        else:
            page.path.write_text(page.text())
            print(f"wrote docs/{page.path.name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
