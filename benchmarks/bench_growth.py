"""How the cost of each work grows with the rows: 10,000 to 1,000,000, slopes, and a picture.

    python benchmarks/bench_growth.py                        everything (hours)
    python benchmarks/bench_growth.py --only knn pairs       these works; the others keep their last figures
    python benchmarks/bench_growth.py --only pairs --most 300000

CPU seconds are of all threads, and of the server's processes where PostgreSQL works. Vectors are those of
real texts; beyond the texts a machine has, noisy copies of them. The slope is the exponent of the rows over
the last decade of sizes: 1 is proportional, 2 is every row against every other, which exact pairs are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from common.options import options
from common.report import Goal, Line, report, results_folder
from growth.picture import draw, slope
from growth.works import WORKS

NAME, TITLE = "growth", "Growth with the rows"
# What a slope may be above that of the method: the sizes of caches, and two cores that others use too.
TOLERANCE = 0.15
PANELS = {
    "A dbt run": ("run-duckdb", "run-pgvector"),
    "One search": ("search-duckdb", "search-pgvector", "search-ivf"),
    "Kernels": ("knn", "pairs", "groups", "clusters"),
    "Encoding": ("embed",),
}
# Title of a curve to the slope of its method.
ORDERS = {title: order for work in WORKS.values() for title, order in work.curves.items()}


def rows_of(line: Line) -> int:
    return int(line.contender.removesuffix(" rows").replace(",", ""))


def points(lines: Sequence[Line], title: str) -> list[tuple[int, float]]:
    return [(rows_of(line), line.cpu) for line in lines if line.work == title]


def kept(small: bool) -> list[Line]:
    """The lines of earlier runs."""
    folder = results_folder(small)
    file = folder / f"{NAME}.json" if folder else None
    if small or file is None or not file.exists():
        return []
    return [Line(**line) for line in json.loads(file.read_text())["lines"]]


def measured(name: str, given: argparse.Namespace) -> list[Line]:
    """One work at all its sizes."""
    work = WORKS[name]
    sizes = [rows for rows in (work.small if given.small else work.sizes) if rows <= given.most]
    found = []
    for title, rows, took in work.measure(sizes, given.rounds or (1 if given.small else 3)):
        note = f"{took.rounds} rounds" if took.rounds > 1 else "once"
        found.append(Line(title, f"{rows:,} rows", work.threads, work.precision, took.wall, took.cpu, note))
        print(f"{title}: {rows:,} rows, {took.cpu:.3f} CPU s, {took.wall:.3f} s", flush=True)
    return found


def merged(lines: Sequence[Line], fresh: Sequence[Line]) -> list[Line]:
    """Earlier lines with the new ones in the place of those of the same work and rows."""
    new = {(line.work, line.contender) for line in fresh}
    titles = list(ORDERS)
    return sorted(
        [*(line for line in lines if (line.work, line.contender) not in new and line.work in ORDERS), *fresh],
        key=lambda line: (titles.index(line.work), rows_of(line)),
    )


def goals(lines: Sequence[Line]) -> list[Goal]:
    """The slope of each work, at most that of its method."""
    return [
        Goal(
            title, value=round(slope(points(lines, title)), 2), most=order + TOLERANCE, unit="",
            title=f"growth: {title}",
        )
        for title, order in ORDERS.items()
        if len(points(lines, title)) > 1
    ]  # fmt: skip


def picture(lines: Sequence[Line], small: bool) -> None:
    """The curves beside the tables."""
    folder = results_folder(small)
    panels = {
        panel: {
            title: found
            for name in names
            for title in (WORKS[name].curves if name in WORKS else ())
            if len(found := points(lines, title)) > 1
        }
        for panel, names in PANELS.items()
    }
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        draw({panel: curves for panel, curves in panels.items() if curves}, folder / f"{NAME}.svg")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK")
    parser.add_argument("--most", type=int, default=1_000_000, help="leave out sizes above")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what is there")


def main() -> None:
    given = options(__doc__, arguments)
    lines = kept(given.small)
    for name in [] if given.draw else given.only:
        lines = merged(lines, measured(name, given))
        if not given.small:
            # A run of hours that is stopped keeps what it has.
            report(NAME, TITLE, lines, baseline="", goal=goals(lines), show=False)
    report(NAME, TITLE, lines, baseline="", goal=goals(lines), small=given.small)
    picture(lines, given.small)


if __name__ == "__main__":
    main()
