"""k-means of real vectors: time until scikit-learn's converged inertia + 0.1 % is reached.

    python benchmarks/bench_clusters.py            10k and 100k rows, k = 100, 1 and 2 threads, some minutes
    python benchmarks/bench_clusters.py --million  and 1M rows, 20 rounds of faiss beside it

The target is the median over seeds of what KMeans(n_init=1) ends at, times 1.001. scikit-learn is timed until
it stops. samespace and faiss are timed until the inertia of all rows is at the target, and samespace also
until ``kmeans`` returns. faiss trains on all rows (fewer never reach the target, as a line shows), for at
most 150 rounds; where it does not get there, its time is that of all its rounds and the note says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from common import corpus
from common.options import options
from common.report import FP32, Goal, Line, report
from common.timing import cpu_seconds
from numpy.typing import NDArray
from samespace.kernels import _lloyd, kmeans
from samespace.kernels._settings import Settings
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

Matrix = NDArray[np.float32]
ALLOWED = 1.001
FAISS_ROUNDS = 150


class Point(NamedTuple):
    """Wall and CPU seconds since the start, and the mean squared distance of all rows reached by then."""

    wall: float
    cpu: float
    inertia: float


@dataclass
class Curve:
    """How the inertia fell; the last point is the end of the call."""

    points: list[Point] = field(default_factory=list)

    def reached(self, target: float) -> Point | None:
        return next((point for point in self.points if point.inertia <= target), None)

    @property
    def end(self) -> Point:
        return self.points[-1]


class _Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), cpu_seconds()

    def point(self, inertia: float) -> Point:
        return Point(time.perf_counter() - self.wall, cpu_seconds() - self.cpu, inertia)


@contextmanager
def _watched(rows: int, k: int, note: Callable[[float], None]) -> Iterator[None]:
    """Notes the inertia after each round of ``lloyd`` over all the rows, with k centroids."""
    original = _lloyd._Clusters.least_inertia

    def least_inertia(self: Any) -> float:
        found = original(self)
        if len(self.labels) == rows and len(self.sizes) == k:
            note(found / rows)
        return found

    _lloyd._Clusters.least_inertia = least_inertia  # type: ignore[method-assign]
    try:
        yield
    finally:
        _lloyd._Clusters.least_inertia = original  # type: ignore[method-assign]


def ours(matrix: Matrix, k: int, seed: int, precision: Any = "fp32") -> Curve:
    curve, clock = Curve(), _Clock()
    with _watched(len(matrix), k, lambda inertia: curve.points.append(clock.point(inertia))):
        kmeans.kmeans(matrix, k, seed=seed, settings=Settings(precision))
    # Rows that went elsewhere after the last round make it lower still.
    curve.points.append(clock.point(curve.end.inertia))
    return curve


def sklearn(matrix: Matrix, k: int, seed: int) -> Curve:
    clock = _Clock()
    fit = KMeans(k, n_init=1, random_state=seed).fit(matrix)
    return Curve([clock.point(fit.inertia_ / len(matrix))])


def faiss_all(matrix: Matrix, k: int, seed: int, rounds: int = FAISS_ROUNDS) -> Curve:
    """All rows; the curve is that of its own statistics, its CPU time spread over them by wall time."""
    import faiss

    clock = _Clock()
    most = len(matrix) // k + 1
    trained = faiss.Kmeans(matrix.shape[1], k, niter=rounds, max_points_per_centroid=most, seed=seed + 1)
    trained.train(matrix)
    whole = clock.point(float(trained.obj[-1]) / len(matrix))
    walls = [float(one["time"]) for one in trained.iteration_stats]
    shares = (whole.cpu / whole.wall, whole.wall - walls[-1])
    points = [
        Point(wall + shares[1], (wall + shares[1]) * shares[0], float(inertia) / len(matrix))
        for wall, inertia in zip(walls, trained.obj, strict=True)
    ]
    return Curve([*points, whole])


def faiss_sample(matrix: Matrix, k: int, seed: int) -> Curve:
    """Its default: 256 rows per cluster, 25 rounds; the inertia is that of all rows."""
    import faiss

    clock = _Clock()
    trained = faiss.Kmeans(matrix.shape[1], k, seed=seed + 1)
    trained.train(matrix)
    squares, _ = trained.index.search(matrix, 1)
    return Curve([clock.point(float(squares.mean(dtype=np.float64)))])


CONTENDERS: dict[str, Callable[[Matrix, int, int], Curve]] = {
    "samespace": ours,
    "samespace, bf16 first": lambda matrix, k, seed: ours(matrix, k, seed, "bf16"),
    "scikit-learn": sklearn,
    "faiss, all rows": faiss_all,
    "faiss, 256 rows per cluster": faiss_sample,
}


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """NumPy's BLAS, scikit-learn's and faiss's OpenMP, and torch, with so many threads."""
    import faiss
    import torch

    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    with threadpool_limits(threads):
        yield
    torch.set_num_threads(before[0])
    faiss.omp_set_num_threads(before[1])


def one(name: str, matrix: Matrix, k: int, seed: int, threads: int) -> Curve:
    """One run of one contender."""
    with limited(threads):
        return CONTENDERS[name](matrix, k, seed)


def run(matrix: Matrix, k: int, threads: int, seeds: Iterable[int]) -> dict[str, list[Curve]]:
    """Every contender with every seed, in turn."""
    curves: dict[str, list[Curve]] = {name: [] for name in CONTENDERS}
    for seed in seeds:
        for name in CONTENDERS:
            curves[name].append(one(name, matrix, k, seed, threads))
    return curves


def _name(rows: int, k: int, threads: int) -> str:
    size = f"{rows // 10**6}M" if rows % 10**6 == 0 else f"{rows // 1000}k"
    return f"{size} x 384, k = {k}, {_threads(threads)}"


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


def _line(work: str, name: str, threads: int, points: list[Point], note: str) -> Line:
    precision = "bf16, then fp32" if "bf16" in name else "fp32"
    return Line(
        work, name, threads, precision, median(p.wall for p in points), median(p.cpu for p in points), note
    )


def lines_of(rows: int, k: int, threads: int, curves: dict[str, list[Curve]]) -> list[Line]:
    """Time to the target for those that go on until it, and of the whole call."""
    target = ALLOWED * median(curve.end.inertia for curve in curves["scikit-learn"])
    work, found = _name(rows, k, threads), []
    for name, runs in curves.items():
        ends = median(run.end.inertia for run in runs) / target * ALLOWED - 1
        ended = f"ends at {ends:+.2%} of scikit-learn's inertia"
        if name in {"faiss, 256 rows per cluster", "scikit-learn"}:
            found.append(_line(work, name, threads, [run.end for run in runs], ended))
            continue
        hits = [run.reached(target) for run in runs]
        points = [hit or run.end for hit, run in zip(hits, runs, strict=True)]
        there = f"{sum(hit is not None for hit in hits)} of {len(hits)} runs reach it"
        found.append(_line(work, name, threads, points, f"until the target; {there}"))
        if name.startswith("samespace"):
            found.append(_line(work, f"{name}, whole call", threads, [run.end for run in runs], ended))
    return found


def goals_of(rows: int, k: int, threads: int) -> list[Goal]:
    work = _name(rows, k, threads)
    title = f"clusters of {rows:,} rows, {_threads(threads)}"
    whole = f"{title}, whole call"
    return [
        Goal(work, ours="samespace", peer="scikit-learn", least=2, title=title, variant=FP32),
        Goal(work, ours="samespace, whole call", peer="scikit-learn", least=2, title=whole, variant=FP32),
        Goal(work, ours="samespace", peer="faiss, all rows", least=1, title=title, variant=FP32),
        Goal(work, ours="samespace", peer="scikit-learn", least=2, title=title, variant=FP32, by="wall"),
        Goal(work, ours="samespace", peer="faiss, all rows", least=1, title=title, variant=FP32, by="wall"),
    ]


def million(threads: int = 2) -> list[Line]:
    """Ten times the rows of the largest comparison: ours whole, 20 rounds of faiss for scale."""
    matrix, work = corpus.grown(10**6, real=100_000), _name(10**6, 100, threads)
    with limited(threads):
        mine, theirs = ours(matrix, 100, 0), faiss_all(matrix, 100, 0, 20)
    note = f"ends at {mine.end.inertia / theirs.end.inertia - 1:+.2%} of faiss's inertia"
    return [
        _line(work, "samespace, whole call", threads, [mine.end], note),
        _line(work, "faiss, all rows", threads, [theirs.end], "20 rounds"),
    ]


def main() -> None:
    args = options(__doc__, lambda parser: parser.add_argument("--million", action="store_true"))
    sizes, k = ((5_000,), 20) if args.small else ((10_000, 100_000), 100)
    seeds = range(args.rounds or (1 if args.small else 3))
    lines: list[Line] = []
    for rows in sizes:
        matrix = corpus.vectors(rows)
        one("samespace, bf16 first", matrix[:4000], k, 0, 1)
        for threads in (1, 2):
            lines += lines_of(rows, k, threads, run(matrix, k, threads, seeds))
    if args.million:
        lines += million()
    facts = {
        "target": "the median of scikit-learn's converged inertias (as many seeds) times 1.001",
        "seeds": len(seeds),
        "vectors": "all-MiniLM-L6-v2 of distinct real texts; 1M: 100k of them and noisy copies",
    }
    goals = [goal for threads in (1, 2) for goal in goals_of(sizes[-1], k, threads)]
    report(
        "clusters", "k-means: time to a given inertia", lines,
        baseline="scikit-learn", goal=goals, facts=facts, small=args.small,
    )  # fmt: skip


if __name__ == "__main__":
    main()
