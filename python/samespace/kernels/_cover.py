"""The greedy cover: rows in order, each joins the nearest earlier head within the threshold or becomes one.

Heads are kept together at the front of the side, so that a block of rows meets heads alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from samespace.kernels._engines import spread
from samespace.kernels._gemm import Engine, Found, Scorer, Side, reach, slack
from samespace.kernels._progress import Progress
from samespace.kernels._scan import above, blocks
from samespace.kernels._vectors import Doubles, Positions, Vectors, exact_similarity


@dataclass(frozen=True)
class Compared:
    """Some ``rows`` (positions) of ``vectors``, as ``side`` multiplies them.

    rest: float64 [rows], where the side holds sketches: what those leave out.
    """

    vectors: Vectors
    rows: Positions
    side: Side
    rest: Doubles | None

    def exact(self, left: Positions, right: Positions) -> Doubles:
        """Rounded cosine in float64 of pairs, given by their places among the rows."""
        return exact_similarity(self.vectors, self.rows[left], self.vectors, self.rows[right])

    def least(self, found: Doubles, left: Positions, right: Positions) -> Doubles:
        """What the cosine of a pair is at least, up to the slack, given its product."""
        return found if self.rest is None else found - 2 * self.rest[left] * self.rest[right]


class _Cover:
    """What is known while blocks of rows pass.

    heads: the first ``count`` are the heads found so far (places among the rows), ascending; the side holds
    them at the front, in this order.
    """

    def __init__(self, engine: Engine, compared: Compared, threshold: float) -> None:
        self.engine, self.compared, self.threshold = engine, compared, threshold
        self.side = compared.side
        self.heads = np.empty(len(compared.rows), dtype=np.int64)
        self.count = 0

    def block(self, block: slice) -> Positions:
        """The head of every row of a block: int64, itself where it is one."""
        best, similarity = self._among_heads(block)
        self._within(block, best, similarity)
        fresh = np.flatnonzero(best == np.arange(block.start, block.stop)) + block.start
        self.side.gather(self.count, fresh)
        self.heads[self.count : self.count + len(fresh)] = fresh
        self.count += len(fresh)
        return best

    def _among_heads(self, block: slice) -> tuple[Positions, Doubles]:
        """For each row of a block the nearest head of earlier blocks; -1 and -2.0 where none is close."""
        best = np.full(block.stop - block.start, -1, dtype=np.int64)
        similarity = np.full(len(best), -2.0)
        parts = blocks(self.count, self.engine.tall)
        jobs = [parts[i :: self.engine.threads] for i in range(min(self.engine.threads, len(parts)))]
        for found in spread(self.engine, jobs, lambda scorer, heads: self._closest(scorer, heads, block)):
            row, head = found.wide, self.heads[found.tall]
            exact = self.compared.exact(row, head)
            order = np.lexsort((head, -exact, row))
            first = order[np.flatnonzero(np.diff(row[order], prepend=-1))]
            local, exact, head = row[first] - block.start, exact[first], head[first]
            better = (exact > similarity[local]) | ((exact == similarity[local]) & (head < best[local]))
            better &= exact >= self.threshold
            best[local[better]], similarity[local[better]] = head[better], exact[better]
        return best, similarity

    def _closest(self, scorer: Scorer, parts: list[slice], block: slice) -> Iterator[Found]:
        """Heads that may be the nearest of a row: near the threshold, and near the best product so far."""
        side, start = self.side, block.start
        top = np.full(block.stop - start, -np.inf)
        kept: list[Found] = []
        for heads in parts:
            width = slack(side, heads, side, block)
            floor = np.maximum(self.threshold - width, reach(top, width, self.engine.rounding))
            scorer.load(side, heads, side, block)
            found = scorer.above(floor)
            least = self.compared.least(found.score.astype(np.float64), self.heads[found.tall], found.wide)
            np.maximum.at(top, found.wide - start, least)
            kept.append(found)
        found = Found(*(np.concatenate(column) for column in zip(*kept, strict=True)))
        width = slack(side, slice(0, self.count), side, block)
        near = found.score >= reach(top, width, self.engine.rounding)[found.wide - start]
        if near.any():
            yield Found(*(column[near] for column in found))

    def _within(self, block: slice, best: Positions, similarity: Doubles) -> None:
        """Go through one block in order; fills ``best`` with a head for every row, itself where it is one."""
        start = block.start
        close = above(self.engine.scorer(0), self.side, block, self.side, block, self.threshold)
        later = close.tall < close.wide
        left, right = close.tall[later] - start, close.wide[later] - start
        order = np.argsort(left, kind="stable")
        left, right = left[order], right[order]
        edges = np.searchsorted(left, np.arange(len(best) + 1))
        for i in np.flatnonzero((best < 0) & (np.diff(edges) > 0)):
            if best[i] >= 0:
                continue
            best[i] = start + i
            near = right[edges[i] : edges[i + 1]]
            exact = self.compared.exact(np.full(len(near), start + i), start + near)
            better = (exact >= self.threshold) & (exact > similarity[near])
            best[near[better]], similarity[near[better]] = start + i, exact[better]
        alone = np.flatnonzero(best < 0)
        best[alone] = start + alone


def cover(engine: Engine, compared: Compared, threshold: float, progress: Progress) -> Positions:
    """The head of every row: int64 [n] (itself when it is one), by places; takes the side apart."""
    state, total = _Cover(engine, compared, threshold), len(compared.rows)
    heads = np.empty(total, dtype=np.int64)
    for start in range(0, total, engine.wide):
        block = slice(start, min(start + engine.wide, total))
        heads[block] = state.block(block)
        progress.add((block.stop - block.start) * (start + (block.stop - start - 1) / 2))
    return heads
