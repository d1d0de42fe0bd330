"""The demo on the tickets of the repository: two models of one dimension, and what happens between them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from samespace.demo import dbt
from samespace.demo.dbt import Outcome, Project
from samespace.demo.places import PostgresSchema, opened
from samespace.demo.postgres import psql_lines, with_server
from samespace.demo.project import repository
from samespace.demo.report import Relations, Report
from samespace.demo.screen import Progress, dbt_command, refusal, require, say, section, short_path
from samespace.demo.tables import one_line, shorten, table

SCHEMA = "analytics"
RELATIONS = Relations(
    embeddings="analytics.ticket_embeddings",
    duplicates="analytics.ticket_duplicates",
    clusters="analytics.ticket_clusters",
    labels="analytics.ticket_cluster_labels",
    key="ticket_id",
    text="body",
    noun="tickets",
    label="theme",
)
OTHER = "analytics.ticket_embeddings_paraphrase"
SEARCHES = {
    "cannot log in": "analytics.search_cannot_log_in",
    "my delivery got lost on the way": "analytics.search_lost_parcel",
    "how do I get my money back": "analytics.search_money_back",
}
MISTAKE = "{{ samespace.search(ref('ticket_embeddings'), 'cannot log in', model='paraphrase') }}"
QUESTION = "{{ samespace.search(ref('ticket_embeddings'), 'late parcel') }}"
EXAMPLE = "Can't log in since this morning"
THRESHOLD = 0.8
BY_KEY = (
    "select rank, similarity, key, fields->>'body' as body "
    "from samespace.search_by_key('analytics.ticket_embeddings', '1004', 5)"
)


def run(target: str = "duckdb") -> None:
    """Build the demo with dbt and print what it holds. Raises DemoError where it does not build."""
    started = time.monotonic()
    root = repository()
    file = Path(os.environ.get("SAMESPACE_DUCKDB_PATH", root / "demo.duckdb")).resolve()
    say("samespace demo: 300 support tickets of an online market, two embedding models of 384 numbers each")
    with opened(target, file, SCHEMA) as place:
        project = Project(root, place)
        _build(project)
        _next(project, time.monotonic() - started)


def _build(project: Project) -> None:
    say("\ndbt build")
    commands = [dbt.BUILD, ["run-operation", "samespace.install"], ["show", "--inline", MISTAKE]]
    outcomes = dbt.run(project, commands, say, Progress())
    for outcome in outcomes[:2]:
        require(outcome, project)
    say(f"  {outcomes[0].tests} tests passed")
    report = Report(project.place.read(), RELATIONS)
    try:
        _print(report, outcomes[2])
        if isinstance(project.place, PostgresSchema):
            section("6  Without Python: the installed function, in any SQL client", report.in_sql(BY_KEY))
    finally:
        report.close()


def _print(report: Report, shown: Outcome) -> None:
    section("1  Embedded", report.embedded())
    section(f"2  Duplicates: similarity {THRESHOLD} or more", report.duplicates())
    section("3  Clusters, labelled by the words that set them apart", report.clusters())
    section("4  Search by meaning: three saved searches", [])
    for query, relation in SEARCHES.items():
        section(f'  "{query}"', report.search(relation))
    section("5  The mistake: a query of one model, rows of another", _mistake(report, shown))


def _mistake(report: Report, shown: Outcome) -> list[str]:
    return [
        "  Both models give 384 numbers, so plain SQL compares them without a word. The paraphrase vector",
        "  of one ticket against the minilm vectors of all tickets, most similar first:",
        "",
        *_plain_sql(report),
        "",
        "  The same search in samespace:",
        *refusal(MISTAKE, shown),
    ]


def _plain_sql(report: Report) -> list[str]:
    """What a database answers across two spaces: a few rows, and how wrong all of them are."""
    key, text = report.rows(f"select ticket_id, body from {OTHER} where subject = ?", [EXAMPLE])[0]
    ranked = (
        "select row_number() over (partition by asked order by similarity desc) as place, * from ("
        "select q.ticket_id as asked, d.ticket_id, d.body, d.content_hash = q.content_hash as same, "
        f"{report.reader.cosine('d.embedding', 'q.embedding')} as similarity "
        f"from {RELATIONS.embeddings} d, {OTHER} q "
        "where d.embedding is not null and q.embedding is not null) as pairs"
    )
    nearest = "select place, similarity, cast(ticket_id as varchar), body from"
    rows = report.rows(
        f"{nearest} ({ranked}) as ranked where asked = {key} and (place <= 3 or same) order by place"
    )
    wrong, asked, own = report.rows(
        "select count(*) filter (where place = 1 and not same), count(distinct asked), "
        f"avg(similarity) filter (where same) from ({ranked}) as ranked"
    )[0]
    return [
        f'  {key} "{shorten(one_line(text), 84)}"',
        table(["place", "similarity", "ticket_id", "body"], rows),
        f"  For {wrong} of {asked} tickets another ticket comes out as more similar than their own text,",
        f"  which scores {own:.2f} on average instead of 1. Plausible rows, wrong answers, no error.",
    ]


def _next(project: Project, seconds: float) -> None:
    place = project.place
    if isinstance(place, PostgresSchema):
        where = f"The tables are in the schema {place.schema} of {short_path(place.home)}."
        show = f"{with_server(Path.cwd())} dbt"
        lines, target = psql_lines(place, BY_KEY), f" TARGET={place.target}"
    else:
        file = short_path(place.home)
        where = f"Everything is in {file}."
        show, target = dbt_command(Path.cwd()), ""
        lines = [
            "  any SQL client, no Python:",
            f"    duckdb {file} \"from samespace.search_by_key('{RELATIONS.embeddings}', '1004', 5)\"",
            f'    duckdb {file} "select cluster_terms, count(*) from analytics.ticket_overview group by all"',
        ]
    section(
        f"Done in {seconds:.0f} s. {where} Try next:",
        [
            *lines,
            "  a question of your own:",
            f'    {show} show --inline "{QUESTION}"',
            "  your own file, CSV or Parquet:",
            f"    make demo{target} CSV=tickets.csv KEY=id TEXT=message",
        ],
    )
