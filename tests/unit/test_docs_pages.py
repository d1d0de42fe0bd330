"""The pages under docs/ hold: links lead somewhere, YAML is YAML, quoted sentences are those of the code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import databases
import pytest
import yaml
from harness import REPO

PAGES = sorted((REPO / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
page_of = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(name: str) -> str:
    return (REPO / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(text_of(name)) if found == language]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page_of
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("http", "mailto")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


@page_of
def test_yaml_is_yaml(page: Path) -> None:
    for block in blocks(page.name, "yaml"):
        assert yaml.safe_load(block), f"{page.name}:\n{block}"


@cache
def code() -> str:
    """All sentences of the code, with what joins their pieces left out."""
    files = [
        file for folder in ("macros", "python") for file in sorted((REPO / folder).rglob("*"))
        if file.suffix in {".sql", ".py"}
    ]  # fmt: skip
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    joined = re.sub(r"""['"]\s*~?\s*f?r?['"]""", "", text)
    return " ".join(re.sub(r"""['"]\s*\n\s*~\s*['"]""", "", joined).split())


# What databases and dbt itself say.
FOREIGN = ("Could not set lock", "No plugin found", "No module", "is undefined", "invalid byte sequence")


def test_troubleshooting_quotes_the_code() -> None:
    quoted = re.findall(r"^\*\*`([^`]+)`", text_of("troubleshooting.md"), re.M)
    assert len(quoted) > 10
    for sentence in quoted:
        if any(foreign in sentence for foreign in FOREIGN):
            continue
        for piece in re.split(r"'?…'?", sentence):
            # The name of the model or relation stands between the pieces.
            assert piece.strip(" ,") in code(), f"docs/troubleshooting.md: {sentence}"


def test_the_grants_of_the_page_run() -> None:
    """Its SQL, in its order, on a server of its own roles."""
    output = databases.create_database("grants")
    # Roles belong to the server, which other tests use as well.
    roles = ["page_dbt_prod", "page_dbt_dev", "page_bi"]
    statements = re.sub(
        r"\b(dbt_prod|dbt_dev|bi)\b", r"page_\1", "\n".join(blocks("postgres-roles.md", "sql"))
    )
    statements = statements.replace("database analytics", f'database "{output["dbname"]}"')
    try:
        for role in roles:
            databases.execute(output, f"create role {role} login")
        databases.execute(output, "create extension if not exists vector schema public")
        databases.execute(output, statements)
        asked = "select has_schema_privilege(r, 'samespace', 'create') from unnest(?::text[]) as r"
        assert databases.execute(output, asked, [roles]) == [(True,), (True,), (False,)]
    finally:
        databases.execute(output, f"drop owned by {', '.join(roles)}")
        databases.execute(output, f"drop role {', '.join(roles)}")


def test_the_grants_of_the_page_are_those_of_the_error() -> None:
    from samespace.io._grants import rights_sentence

    shown = " ".join("\n".join(blocks("postgres-roles.md", "sql")).replace('"', "").split())
    for line in rights_sentence("dbt_dev", "samespace", "why").splitlines():
        if line.lstrip().startswith("grant"):
            assert line.strip().replace('"', "") in shown
