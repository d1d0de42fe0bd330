"""What the pump adds to an encoder: an embedding fill against the encoder alone on the distinct texts.

    python benchmarks/bench_pump.py [--small] [--rounds 5]

The fill is phase B of the materialization, on a DuckDB file: which texts are new, pages, the encoder, each
page committed into the cache. Its peer hands the distinct texts to the same encoder in one call and keeps
nothing. With static vectors the same fill is also stated as rows per second, and a whole `dbt run` of the
materialization with and without dbt's own time, which is that of an empty run.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from common import corpus
from common.dbt_project import MINILM, WORDLLAMA, Project
from common.options import options
from common.processes import Ran, interleaved_runs
from common.report import Goal, Line, report
from common.timing import interleaved
from samespace.encoders import Encoder, load_encoder
from samespace.io.duckdb import DuckDBStore
from samespace.pump import Job, fill
from samespace.spec import ModelSpec

FILL, ALONE, RUN, EMPTY = "samespace, fill", "encoder alone", "samespace, dbt run", "empty dbt run"


def spec_of(given: dict[str, Any]) -> ModelSpec:
    """As the dbt side hands it over."""
    identity = {name: value for name, value in given.items() if name not in ("load_from", "runtime")}
    return ModelSpec(
        "bench", "bench@00000000", "0" * 32, given["provider"], given["dimension"], identity,
        given["load_from"], given.get("runtime", {}),
    )  # fmt: skip


def filled(texts: list[str], spec: ModelSpec, encoder: Encoder) -> Callable[[], int]:
    """A fill of a fresh file; making the file and the stage costs the same every time, and is included."""

    def go() -> int:
        with tempfile.TemporaryDirectory(prefix="samespace-bench-") as folder:
            connection = duckdb.connect(str(Path(folder) / "x.duckdb"))
            connection.register("given", pa.table({"id": range(len(texts)), "body": texts}))
            connection.execute(
                "create temp table __samespace_stage as select *, sha256(body) as content_hash from given"
            )
            job = Job([spec], "document", "__samespace_stage", "id", "body", "bench", None, True)
            store = DuckDBStore(connection, "x", "samespace")
            done = fill(job, store, lambda spec, prove=None: encoder, lambda line: None, threading.Event())
            connection.close()
        return done[0].embedded

    return go


def of_model(title: str, given: dict[str, Any], texts: list[str], rounds: int) -> list[Line]:
    spec = spec_of(given)
    encoder = load_encoder(spec)
    distinct = sorted(set(texts), key=len, reverse=True)
    contenders: dict[str, Callable[[], Any]] = {
        FILL: filled(texts, spec, encoder),
        ALONE: lambda: encoder.encode_counted(distinct, "document"),
    }
    found = interleaved(contenders, rounds=rounds)
    return [
        Line(title, name, "auto", encoder.precision, took.wall, took.cpu,
             f"{len(texts) / took.wall:,.0f} rows/s")
        for name, took in found.items()
    ]  # fmt: skip


def runs(texts: list[str], rounds: int) -> list[Line]:
    """A whole first run of the materialization, and one of a model without rows."""
    made = Project(specs={"words": WORDLLAMA})
    made.sources("docs")
    made.model("embedded", "select id, body from {{ source('raw', 'docs') }}",
               materialized="embedding", model="words", key="id", text="body")  # fmt: skip
    made.model("empty", "select 1 as one", materialized="table")

    def first() -> Ran:
        made.database.unlink(missing_ok=True)
        with duckdb.connect(str(made.database)) as connection:
            connection.register("given", pa.table({"id": range(len(texts)), "body": texts}))
            connection.execute("create table docs as select * from given")
        return made.dbt("run", "--select", "embedded")

    found = interleaved_runs({RUN: first, EMPTY: lambda: made.dbt("run", "--select", "empty")}, rounds=rounds)
    without = found[RUN].wall - found[EMPTY].wall
    rates = [len(texts) / seconds for seconds in (found[RUN].wall, without)]
    notes = {RUN: "{:,.0f} rows/s, {:,.0f} without dbt's own time".format(*rates)}
    return [
        Line("static, dbt run", name, 1, "fp32", took.wall, took.cpu, notes.get(name, ""))
        for name, took in found.items()
    ]


def main() -> None:
    given = options(__doc__)
    rows, static_rows, rounds = (1_000, 5_000, 1) if given.small else (20_000, 100_000, 5)
    rounds = given.rounds or rounds
    texts, many = corpus.texts(rows, repeats=True), corpus.texts(static_rows, repeats=True)
    static = of_model("static, fill", WORDLLAMA, many, rounds)
    whole = runs(many, min(rounds, 3))
    lines = of_model("MiniLM, fill", MINILM, texts, min(rounds, 3)) + static + whole
    rate = static_rows / static[0].wall
    through = static_rows / (whole[0].wall - whole[1].wall)
    goals = [
        Goal("MiniLM, fill", ours=FILL, peer=ALONE, most=1.05, by=by, title="pump over the encoder, MiniLM")
        for by in ("cpu", "wall")
    ] + [
        Goal("static, rows per second through the fill", value=rate, least=15_000, unit="rows/s"),
        Goal("static, rows per second through dbt run, less an empty run", value=through, least=15_000,
             unit="rows/s"),
    ]  # fmt: skip
    report(
        "pump", "What the pump adds to the encoder", lines, baseline=ALONE, goal=goals, small=given.small,
        facts={"rows": f"{rows:,} (MiniLM), {static_rows:,} (static)", "repeats": "20 %", "rounds": rounds},
        packages=["torch", "sentence-transformers", "duckdb", "tokenizers"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
