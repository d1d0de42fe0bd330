"""A real column embedded with all-MiniLM-L6-v2: a dbt run of ours against SentenceTransformer.encode.

    python benchmarks/bench_embed.py [--small] [--rounds 3] [--rows 20000] [--share 1]

Our side is a whole `dbt run` in a fresh process: dbt's start, the imports, the canaries, the vectors written.
The library's side is `encode` alone, with its defaults, of every row, in a process that has loaded the model.
With --share 10 the library gets every tenth row and its time is multiplied by ten.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from common import corpus
from common.dbt_project import Project
from common.options import options
from common.processes import Ran
from common.report import BEST, BF16, DISTINCT, FP32, SAME_PRECISION, Goal, Line, report
from common.timing import Took, interleaved
from samespace.encoders import load_encoder
from samespace.encoders._vendor import cpu_threads
from samespace.kernels._cpu import has_bf16_units

OURS, OURS_FP32 = "samespace", "samespace, fp32"
PEER, PEER_BF16 = "sentence-transformers", "sentence-transformers, bf16"
COLUMN, UNIQUE = "a column with repeats, by dbt run", "distinct texts, encoded"


def library(dtype: str) -> Any:
    """The library's model as it comes, or with bfloat16 weights."""
    import torch
    from samespace.encoders._locations import local_path
    from samespace.encoders._vendor import quiet
    from sentence_transformers import SentenceTransformer

    quiet()
    torch.set_num_threads(cpu_threads())
    model = SentenceTransformer(str(local_path(corpus.minilm())), device="cpu")
    return model.to(getattr(torch, dtype))


class Column:
    """A project whose one model embeds a column; every run starts from the same file without a vector."""

    def __init__(self, texts: Sequence[str]) -> None:
        import duckdb

        self.project = Project()
        self.project.sources("docs")
        select = "select id, body from {{ source('raw', 'docs') }}"
        config = {"materialized": "embedding", "model": "minilm", "key": "id", "text": "body"}
        self.project.model("embedded", select, **config)
        self.bare = self.project.root / "bare.duckdb"
        with duckdb.connect(str(self.bare)) as connection:
            connection.register("given", pa.table({"id": list(range(len(texts))), "body": list(texts)}))
            connection.execute("create table docs as select * from given")
        self.project.dbt("parse")

    def run(self, env: dict[str, str]) -> Ran:
        self.project.database.unlink(missing_ok=True)
        shutil.copy(self.bare, self.project.database)
        return self.project.dbt("run", env=env)

    def vectors(self) -> np.ndarray:
        import duckdb

        with duckdb.connect(str(self.project.database), read_only=True) as connection:
            table = connection.execute("select embedding from embedded order by id").fetch_arrow_table()
        flat = table["embedding"].combine_chunks().flatten().to_numpy()
        return flat.reshape(-1, corpus.DIMENSION)


def by_dbt(texts: Sequence[str], share: int, rounds: int) -> tuple[list[Line], float, float]:
    """Lines of the column, and the smallest cosine of our vectors with the library's in both precisions."""
    column, model, fast = Column(texts), library("float32"), library("bfloat16")
    some = list(texts)[::share]
    least, times = {}, {}
    for number in range(rounds):
        took: dict[str, Ran | Took] = {
            OURS: column.run({}), PEER: once(lambda: model.encode(some), share),
        }
        if not number:
            least[OURS] = smallest_cosine(column.vectors()[::share], took[PEER].answer)
        took[OURS_FP32] = column.run({"SAMESPACE_NO_BF16": "1"})
        if not number:
            least[OURS_FP32] = smallest_cosine(column.vectors()[::share], took[PEER].answer)
        took[PEER_BF16] = once(lambda: fast.encode(some), share)
        for name, one in took.items():
            times.setdefault(name, []).append((one.wall, one.cpu))
    medians = {name: tuple(np.median(np.asarray(all_of), axis=0)) for name, all_of in times.items()}
    lines = [
        Line(COLUMN, name, cpu_threads(), precision(name), float(wall), float(cpu), section=BEST)
        for name, (wall, cpu) in medians.items()
    ]
    return lines, least[OURS], least[OURS_FP32]


def once(run: Callable[[], Any], share: int) -> Took:
    took = interleaved({"": run}, rounds=1, warm_up=0)[""]
    return Took(took.wall * share, took.cpu * share, 1, took.answer)


def smallest_cosine(ours: np.ndarray, theirs: Any) -> float:
    return float((ours * np.asarray(theirs, dtype=np.float32)).sum(axis=1).min())


def precision(name: str) -> str:
    if name == OURS:
        return "bf16" if has_bf16_units() else "fp32"
    return "bf16" if name == PEER_BF16 else "fp32"


def encoded(texts: Sequence[str], share: int, rounds: int) -> list[Line]:
    """Both sides in this process, models loaded, distinct texts, both precisions."""
    ours, some = list(texts), list(texts)[::share]
    contenders: dict[str, Callable[[], Any]] = {}
    for name, wanted in ((OURS, "auto"), (OURS_FP32, "fp32")):
        encoder = load_encoder(replace(corpus.minilm(), runtime={"precision": wanted}))
        contenders[name] = lambda encoder=encoder: encoder.encode(ours)
    for name, dtype in ((PEER, "float32"), (PEER_BF16, "bfloat16")):
        model = library(dtype)
        contenders[name] = lambda model=model: model.encode(some)
    took = interleaved(contenders, rounds=rounds, warm_up=0)
    lines = []
    for name, one in took.items():
        times = share if name in (PEER, PEER_BF16) else 1
        line = Line(UNIQUE, name, cpu_threads(), precision(name), one.wall * times, one.cpu * times)
        lines += [
            replace(line, section=DISTINCT),
            replace(line, section=SAME_PRECISION, work=f"{UNIQUE}, {line.precision}"),
        ]
    return lines


def goals(least: float, least_fp32: float) -> list[Goal]:
    peer = {"peer": PEER, "section": BEST}
    found = [Goal(COLUMN, ours=OURS_FP32, least=1.6, variant=FP32, title="embed 20k texts", **peer)]
    found.append(Goal("smallest cosine", value=least_fp32, least=0.99999, unit="", variant=FP32))
    if has_bf16_units():
        found.append(Goal(COLUMN, ours=OURS, least=3.5, variant=BF16, title="embed 20k texts", **peer))
        found.append(Goal("smallest cosine", value=least, least=0.9999, unit="", variant=BF16))
    return found


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=None, help="rows of the column")
        parser.add_argument("--share", type=int, default=None, help="the library gets every so many-th row")

    given = options(__doc__, more)
    rows = given.rows or (1_000 if given.small else 20_000)
    share = given.share or (4 if given.small else 1)
    rounds = given.rounds or (1 if given.small else 3)
    lines, least, least_fp32 = by_dbt(corpus.texts(rows, repeats=True), share, rounds)
    lines += encoded(corpus.texts(rows - rows // 5), share, rounds)
    report(
        "embed", "Embedding a real column", lines, baseline=PEER, goal=goals(least, least_fp32),
        small=given.small, packages=["torch", "sentence-transformers", "transformers", "tokenizers"],
        facts={
            "rows": rows, "of which repeats": rows // 5, "rounds": rounds, "model": "all-MiniLM-L6-v2",
            "the library encodes": "every row" if share == 1 else f"every {share}th row, times {share}",
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
