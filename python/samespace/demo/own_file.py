"""The demo on a file of the user: a dbt project around it, then the same tables."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from samespace.demo import dbt, project
from samespace.demo.dbt import Project
from samespace.demo.load import load
from samespace.demo.places import DATABASE, Place, PostgresSchema, opened
from samespace.demo.postgres import psql_lines, with_server
from samespace.demo.report import Relations, Report
from samespace.demo.screen import Progress, dbt_command, refusal, require, say, section, short_path
from samespace.demo.source import Source, inspect
from samespace.demo.tables import one_line, shorten

MISTAKE = "{{ samespace.search(ref('embeddings'), 'anything', model='paraphrase') }}"
QUESTION = "{{ samespace.search(ref('embeddings'), 'your question') }}"


@dataclass(frozen=True)
class Wish:
    """What the user asked for. ``folder`` holds the dbt project that is written around the file."""

    file: str
    key: str | None
    text: str | None
    threshold: float
    queries: list[str]
    folder: Path | None = None
    target: str = "duckdb"


def run(wish: Wish) -> None:
    """Embed a column of a file, find duplicates and clusters, search. Raises DemoError."""
    started = time.monotonic()
    source = inspect(wish.file, wish.key, wish.text)
    say(f"samespace demo on {source.path.name}: {_summary(source)}")
    root = project.folder(source, wish.target, wish.folder)
    _announce(source)
    schema = project.schema(root, wish.target)
    with opened(wish.target, root / "demo.duckdb", schema) as place:
        built = project.write(root, source, place, wish.threshold, wish.queries)
        _build(built, source, wish)
        _next(source, built, time.monotonic() - started)


def _build(built: Project, source: Source, wish: Wish) -> None:
    _load(source, built.place)
    say(f"\ndbt build in {short_path(built.root)}")
    commands = [dbt.BUILD, ["run-operation", "samespace.install"]]
    if not project.is_installed(built):
        commands.insert(0, ["deps"])
    outcomes = dbt.run(built, [*commands, ["show", "--inline", MISTAKE]], say, Progress())
    for outcome in outcomes[: len(commands)]:
        require(outcome, built)
    schema = built.place.schema
    relations = Relations(
        embeddings=f"{schema}.embeddings", duplicates=f"{schema}.duplicates",
        clusters=f"{schema}.clusters", labels=f"{schema}.cluster_labels",
        key=source.key, text=source.text, noun="texts",
    )  # fmt: skip
    report = Report(built.place.read(), relations)
    try:
        _print(report, source, wish.threshold, wish.queries, schema)
        lines = ["  These rows, asked with a query of another model of 384 numbers:"]
        section("5  The mistake", [*lines, *refusal(MISTAKE, outcomes[-1])])
    finally:
        report.close()


def _load(source: Source, place: Place) -> None:
    if isinstance(place, PostgresSchema):
        rows, seconds = load(source, place.server.url(DATABASE), place.schema, project.ROWS)
        say(f"\n{source.path.name} into {place.schema}.{project.ROWS}: COPY {rows:,}, {seconds:.1f} s")


def _summary(source: Source) -> str:
    empty = f", {source.empty:,} without text" if source.empty else ""
    return f"{source.rows:,} rows, {source.texts:,} different texts in '{source.text}'{empty}"


def _announce(source: Source) -> None:
    if source.seconds >= 20:
        say(
            f"  A first run takes about {_duration(source.seconds)} here (all-MiniLM-L6-v2, CPU).\n"
            "  Stop it whenever you like: what is embedded is kept, and the next run goes on from there."
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _print(report: Report, source: Source, threshold: float, queries: list[str], schema: str) -> None:
    section("1  Embedded", report.embedded())
    section(f"2  Duplicates: similarity {threshold} or more", report.duplicates())
    k = project.cluster_count(source.texts)
    capped = k == project.MAX_CLUSTERS
    reason = "the most that this demo makes" if capped else "about the square root of half the texts"
    section(f"3  Clusters: k = {k}, {reason}; the largest of them", report.clusters(10))
    if queries:
        section("4  Search by meaning", [])
        for number, query in enumerate(queries, start=1):
            section(f'  "{shorten(one_line(query), 90)}"', report.search(f"{schema}.search_{number}"))
        return
    section("4  Rows most similar to the middle of the three largest clusters", [])
    for key, text in report.largest_clusters():
        section(f'  {key} "{shorten(one_line(text), 80)}"', report.neighbours(key))


def _next(source: Source, built: Project, seconds: float) -> None:
    root, place = short_path(built.root), built.place
    again = shlex.join([f"CSV={short_path(source.path)}", f"KEY={source.key}", f"TEXT={source.text}"])
    target = "" if place.target == "duckdb" else f"TARGET={place.target} "
    dbt_show = f'show --inline "{QUESTION}"'
    largest = "duplicates order by group_size desc, group_id limit 20"
    if isinstance(place, PostgresSchema):
        tables = f"The tables are in the schema {place.schema} of {short_path(place.home)}."
        lines = [
            *psql_lines(place, f"select * from {place.schema}.{largest}"),
            *_others(again, target, root),
            f"    cd {root} && {with_server(built.root)} dbt {dbt_show}",
        ]
    else:
        file = short_path(place.home)
        tables = f"Everything is in {file}."
        lines = [
            "  any SQL client, no Python:",
            f'    duckdb {file} "from {largest}"',
            *_others(again, target, root),
            f"    cd {root} && {dbt_command(built.root)} {dbt_show}",
        ]
    section(f"Done in {seconds:.0f} s. {tables} Try next:", lines)


def _others(again: str, target: str, root: str) -> list[str]:
    return [
        "  other groups, a question of your own:",
        f"    make demo {target}{again} THRESHOLD=0.85 QUERY='your question'",
        f"  {root} is an ordinary dbt project; its models are yours to change:",
    ]
