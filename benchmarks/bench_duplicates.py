"""Groups of near-duplicates: 100,000 rows of which half come from templates, and 1,000,000 rows. Exact.

Each runs in a process of its own, so that its peak memory is its own; imports and reading the vectors from a
file are counted. Templates: every second row is one of 20 real vectors with noise, once so little that a
template is one group, once so much that its rows are about as similar as the threshold (0.9), the worst case.
A million rows: real vectors, then noisy copies of them, which makes more near-duplicates than most columns
have. ``--rows`` sets another number than a million. Minutes at full size.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from common import corpus
from common.machine import cores, has_bf16
from common.options import options
from common.processes import python
from common.report import BEST, BF16, Goal, Line, report
from numpy.typing import NDArray

RUN = """
import json, resource, sys
import numpy as np
from samespace.kernels._settings import Settings
from samespace.kernels.groups import groups
lines = []
matrix = np.load(sys.argv[1])
found = groups(matrix, 0.9, settings=Settings.of(json.loads(sys.argv[2])), log=lines.append)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"rows": found.num_rows, "peak": peak, "progress": len(lines)}))
"""
Vectors = NDArray[np.float32]


def templated(rows: int, noise: float) -> Vectors:
    """Unit vectors of which every second one is one of 20 real ones with noise of that length."""
    draw = np.random.default_rng(0)
    found = corpus.vectors(rows).copy()
    number = len(found[::2])
    added = draw.standard_normal((number, found.shape[1]), dtype=np.float32)
    added *= np.float32(noise) / np.linalg.norm(added, axis=1, keepdims=True)
    found[::2] = found[1:41:2][draw.integers(0, 20, number)] + added
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def measured(work: str, vectors: Vectors, precision: str) -> tuple[Line, float]:
    """One run in a fresh process, and its peak memory in GiB."""

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, vectors)
        threads = cores()
        settings = {"precision": precision, "threads": threads, "memory": "8 GiB"}
        ran = python(RUN, str(file), json.dumps(settings))
    said = json.loads(ran.output.strip().splitlines()[-1])
    note = f"{said['rows']:,} rows in groups, peak {said['peak']:.1f} GiB, {said['progress']} progress lines"
    how = f"{precision}, then float64"
    return Line(work, f"samespace ({precision})", threads, how, ran.wall, ran.cpu, note, BEST), said["peak"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=None, help="instead of a million")


def main() -> None:
    args = options(__doc__, arguments)
    many, half = (args.rows or 20_000, 5_000) if args.small else (args.rows or 1_000_000, 100_000)
    precision = "bf16" if has_bf16() else "fp32"
    lines = []
    for noise, what in ((0.1, "one group each"), (0.48, "near 0.9")):
        title = f"duplicates of {half:,} rows, half templated: {what}"
        lines.append(measured(title, templated(half, noise), precision)[0])
    work = f"duplicates of {many:,} rows"
    vectors = corpus.grown(many, real=corpus.cached())
    line, peak = measured(work, vectors, precision)
    lines.append(line)
    goals = [
        Goal(work, value=line.cpu / 60, most=10, unit="core-minutes", variant=BF16, title=work),
        Goal(work, value=peak, most=8, unit="GiB", title=f"{work}, peak memory"),
        Goal(lines[1].work, value=lines[1].cpu / 60, most=10, unit="core-minutes", title=lines[1].work),
    ]
    facts = {"threshold": 0.9, "of the million real": f"{min(many, corpus.cached()):,}"}
    title = "Groups of near-duplicates"
    report("duplicates", title, lines, baseline="", goal=goals, facts=facts, small=args.small)


if __name__ == "__main__":
    main()
