"""The second dbt run, with nothing new in the source, against a plain incremental table of the same select.

    python benchmarks/bench_unchanged.py [--small] [--rounds 5]

The plain model hashes each text and merges the rows whose key and hash its table does not hold: the same
anti-join, without vectors. Each run is a process of its own, dbt's start and that of Python included; on
PostgreSQL the CPU time of the server counts too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from common import corpus
from common.dbt_project import WORDLLAMA, Project
from common.options import options
from common.postgres import cpu_seconds, server_and_connection
from common.processes import Ran, interleaved_runs
from common.report import Goal, Line, report

OURS, PLAIN = "samespace, embedding", "plain incremental"
HASH = {"duckdb": "sha256(body)", "pgvector": "encode(sha256(convert_to(body, 'UTF8')), 'hex')"}
PLAIN_SQL = """select * from (
    select id, subject, body, {hash} as content_hash from {{{{ source('raw', 'docs') }}}}
) as s
{{% if is_incremental() %}}
where not exists (select 1 from {{{{ this }}}} as t where t.id = s.id and t.content_hash = s.content_hash)
{{% endif %}}"""


def project(engine: str, output: dict[str, Any]) -> Project:
    """Both models of one source."""
    made = Project(specs={"words": WORDLLAMA}, output=output)
    made.sources("docs")
    select = "select id, subject, body from {{ source('raw', 'docs') }}"
    made.model("embedded", select, materialized="embedding", model="words", key="id", text="body")
    made.model("plain", PLAIN_SQL.format(hash=HASH[engine]), materialized="incremental", unique_key="id")
    return made


def rows_of(rows: int) -> list[tuple[int, str, str]]:
    texts = corpus.texts(rows, repeats=True)
    return [(number, f"subject {number % 1000}", text) for number, text in enumerate(texts)]


def timed(made: Project, model: str, server: Any) -> Callable[[], Ran]:
    """One run of a model that has nothing to do."""

    def go() -> Ran:
        before = cpu_seconds(server) if server else 0.0
        ran = made.dbt("run", "--select", model)
        if model == "embedded" and not made.results()[model]["message"].startswith("EMBED 0 new"):
            raise SystemExit(f"there was something to embed: {made.results()[model]['message']}")
        return Ran(ran.wall, ran.cpu + (cpu_seconds(server) - before if server else 0.0), ran.output)

    return go


def lines_of(engine: str, made: Project, rounds: int, server: Any = None) -> list[Line]:
    made.dbt("run")
    contenders = {OURS: timed(made, "embedded", server), PLAIN: timed(made, "plain", server)}
    return [
        Line(f"unchanged run, {engine}", name, 1, "", took.wall, took.cpu)
        for name, took in interleaved_runs(contenders, rounds=rounds).items()
    ]


def on_duckdb(rows: list[tuple[int, str, str]], rounds: int) -> list[Line]:
    import duckdb

    made = project("duckdb", {})
    columns = dict(zip(("id", "subject", "body"), map(list, zip(*rows, strict=True)), strict=True))
    with duckdb.connect(str(made.database)) as connection:
        connection.register("given", pa.table(columns))
        connection.execute("create table docs as select * from given")
    return lines_of("duckdb", made, rounds)


def on_postgres(rows: list[tuple[int, str, str]], rounds: int) -> list[Line]:
    with server_and_connection() as (server, connection):
        connection.execute("create table docs (id bigint, subject text, body text)")
        with connection.cursor().copy("copy docs from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute("vacuum analyze docs")
        made = project("pgvector", server.output("postgres", "main"))
        made.sources("docs", schema="public")
        return lines_of("pgvector", made, rounds, server)


def main() -> None:
    given = options(__doc__)
    rows, rounds = (2_000, 1) if given.small else (100_000, 5)
    rounds, source = given.rounds or rounds, rows_of(rows)
    lines = on_duckdb(source, rounds) + on_postgres(source, rounds)
    goals = [
        Goal(work, ours=OURS, peer=PLAIN, most=1.3, by=by, title=work)
        for work in ("unchanged run, duckdb", "unchanged run, pgvector")
        for by in ("cpu", "wall")
    ]
    report(
        "unchanged", "A run with nothing new", lines, baseline=PLAIN, goal=goals, small=given.small,
        facts={"rows": rows, "rounds": rounds, "texts": "20 % repeats", "model": "wordllama, 256 numbers"},
        packages=["dbt-core", "dbt-duckdb", "duckdb", "dbt-postgres"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
