"""Where products reach a threshold: all pairs of one side, or of two, block by block, spread over threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import TypeVar

import numpy as np

from samespace.kernels._engines import spread
from samespace.kernels._gemm import Engine, Found, Scorer, Side, slack

Item = TypeVar("Item")
# What to make of the places that a block of products does not rule out, in the thread that found them.
Judge = Callable[[Found], Item]


def triangle(engine: Engine, side: Side, threshold: float, judge: Judge[Item]) -> Iterator[tuple[Item, int]]:
    """Every pair tall < wide of one side that may reach the threshold, judged, and pairs compared for it.

    In no certain order. A job is a column of blocks, the longest first.
    """

    def run(scorer: Scorer, start: int) -> Iterator[tuple[Item, int]]:
        columns = slice(start, min(start + engine.wide, len(side)))
        for rows in blocks(columns.stop, engine.tall):
            found = above(scorer, side, rows, side, columns, threshold)
            if rows.stop > start:
                before = found.tall < found.wide
                found = Found(found.tall[before], found.wide[before], found.score[before])
            yield judge(found), _pairs_before(rows, columns)

    yield from spread(engine, range(0, len(side), engine.wide)[::-1], run)


def rectangle(
    engine: Engine, tall: Side, wide: Side, threshold: float, judge: Judge[Item]
) -> Iterator[tuple[Item, int]]:
    """Every pair of a row of ``tall`` and one of ``wide`` that may reach the threshold; as ``triangle``."""

    def run(scorer: Scorer, job: tuple[slice, slice]) -> Iterator[tuple[Item, int]]:
        columns, rows = job
        found = above(scorer, tall, rows, wide, columns, threshold)
        yield judge(found), (rows.stop - rows.start) * (columns.stop - columns.start)

    columns, rows = blocks(len(wide), engine.wide), blocks(len(tall), engine.tall)
    yield from spread(engine, list(product(columns, rows)), run)


def above(
    scorer: Scorer, tall: Side, rows: slice, wide: Side, columns: slice, threshold: float
) -> Found:
    """Places of one block whose cosine may reach the threshold."""
    scorer.load(tall, rows, wide, columns)
    return scorer.above(threshold - slack(tall, rows, wide, columns))


def blocks(total: int, most: int) -> list[slice]:
    """0..total in blocks of nearly equal size, none above ``most``."""
    number = -(-total // most)
    edges = [total * i // number for i in range(number + 1)] if number else [0]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _pairs_before(rows: slice, columns: slice) -> int:
    """How many pairs row < column a block holds."""
    above_it = np.arange(columns.start, columns.stop) - rows.start
    return int(np.clip(above_it, 0, rows.stop - rows.start).sum())
