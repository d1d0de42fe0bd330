"""All near-duplicate pairs of real vectors (cosine >= 0.9), exact: the kernel against what else finds them.

Every contender gets the same unit vectors in memory, with one thread; imports are not counted. faiss and
sentence-transformers compare every row with every row and find each pair twice; SemHash is approximate. The
slow peers run once. At 100,000 rows only the kernel runs, whose figure there is pairs per core-second.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from common import corpus
from common.machine import has_bf16
from common.options import options
from common.report import BEST, BF16, DISTINCT, FP32, SAME_PRECISION, Goal, Line, report
from common.timing import Took, interleaved
from numpy.typing import NDArray
from samespace.kernels._settings import Settings
from samespace.kernels.pairs import pairs

THRESHOLD = 0.9
FLOAT, HALF = "samespace", "samespace (bf16 first pass)"
PEERS = {
    "faiss range_search": "fp32",
    "paraphrase_mining": "fp32",
    "SemHash self_deduplicate": "fp32, approximate",
}
Vectors = NDArray[np.float32]


def faiss_pairs(vectors: Vectors) -> int:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    limits, _, found = index.range_search(vectors, THRESHOLD)
    rows = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
    return int((rows < found).sum())


def mined_pairs(vectors: Vectors) -> int:
    from sentence_transformers.util import paraphrase_mining_embeddings

    found = paraphrase_mining_embeddings(torch.from_numpy(vectors), max_pairs=10_000_000)
    return sum(score >= THRESHOLD for score, _, _ in found)


class Given:
    """An encoder for SemHash that has the vectors already."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def encode(self, texts: list[str], **_: Any) -> Vectors:
        return self._vectors[[int(text) for text in texts]]


def semhash_pairs(vectors: Vectors) -> int:
    from semhash import SemHash

    records = [str(row) for row in range(len(vectors))]
    found = SemHash.from_records(records, model=Given(vectors)).self_deduplicate(threshold=THRESHOLD)
    return len(found.filtered)


def ours(vectors: Vectors, precision: str) -> int:
    settings = Settings.of({"precision": precision, "threads": 1})
    return int(pairs(vectors, THRESHOLD, settings=settings, max_pairs=10**8).num_rows)


def contenders(vectors: Vectors) -> dict[str, Callable[[], Any]]:
    runs: dict[str, Callable[[], Any]] = {FLOAT: partial(ours, vectors, "fp32")}
    if has_bf16():
        runs[HALF] = partial(ours, vectors, "bf16")
    return runs | {"faiss range_search": partial(faiss_pairs, vectors)}


def lines_of(work: str, took: dict[str, Took], section: str, distinct: int) -> list[Line]:
    lines = []
    for name, time in took.items():
        precision = PEERS.get(name, "bf16, then float64" if "bf16" in name else "fp32, then float64")
        note = f"{time.answer:,} {'rows dropped' if 'SemHash' in name else 'pairs'}"
        if name.startswith("samespace"):
            note += f", {distinct * (distinct - 1) / 2e9 / time.cpu:.2f} G pairs per core-second"
        lines.append(Line(work, name, 1, precision, time.wall, time.cpu, note, section))
    return lines


def twenty(rows: int, rounds: int) -> list[Line]:
    """All contenders on the same distinct rows, and on rows of which a fifth are copies."""
    vectors, work = corpus.vectors(rows), f"pairs of {rows:,} rows"
    slow: dict[str, Callable[[], Any]] = {
        "paraphrase_mining": partial(mined_pairs, vectors),
        "SemHash self_deduplicate": partial(semhash_pairs, vectors),
    }
    mined_pairs(vectors[:200])
    semhash_pairs(vectors[:200])
    took = interleaved(contenders(vectors), rounds=rounds)
    took |= interleaved(slow, rounds=1, warm_up=0)
    same = {name: time for name, time in took.items() if name not in (HALF, "SemHash self_deduplicate")}
    lines = [
        line
        for section, times in ((BEST, took), (DISTINCT, took), (SAME_PRECISION, same))
        for line in lines_of(work, times, section, rows)
    ]
    # What dropping copies first is worth: they are compared by the others.
    repeated = np.concatenate([vectors[: rows - rows // 5], vectors[: rows // 5]])
    took = interleaved(contenders(repeated), rounds=rounds)
    return lines + lines_of(f"{work}, a fifth of them copies", took, BEST, rows)


def goals_of(rows: int, many: int, rate: float) -> list[Goal]:
    work, large = f"pairs of {rows:,} rows", f"pairs of {many:,} rows"
    peer, title = "faiss range_search", f"{work} vs faiss"
    goals = [Goal(work, FLOAT, peer, 2, section=SAME_PRECISION, variant=FP32, title=title)]
    if not has_bf16():
        return goals
    for peer, least in zip(PEERS, (9, 39, 41), strict=True):
        title = f"{work} vs {peer}"
        goals.append(Goal(work, HALF, peer, least, section=BEST, variant=BF16, title=title))
    unit = "G pairs per core-second"
    return [*goals, Goal(large, value=rate, least=1, unit=unit, variant=BF16, title=large)]


def main() -> None:
    args = options(__doc__)
    rows, many = (4_000, 8_000) if args.small else (20_000, 100_000)
    rounds = args.rounds or (1 if args.small else 3)
    lines, rate = twenty(rows, rounds), 0.0
    if has_bf16():
        run: dict[str, Callable[[], Any]] = {HALF: partial(ours, corpus.vectors(many), "bf16")}
        large = interleaved(run, rounds=rounds, warm_up=0)
        rate = many * (many - 1) / 2e9 / large[HALF].cpu
        lines += lines_of(f"pairs of {many:,} rows", large, BEST, many)
    vectors = "all-MiniLM-L6-v2 of distinct real texts, 384 numbers, length 1"
    report(
        "pairs", "Near-duplicate pairs", lines, baseline="faiss range_search",
        goal=goals_of(rows, many, rate), facts={"threshold": THRESHOLD, "vectors": vectors},
        small=args.small, packages=["faiss-cpu", "sentence-transformers", "semhash"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
