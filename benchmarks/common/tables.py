"""Numbers with three digits, and markdown tables whose columns line up."""

from __future__ import annotations

import math
from collections.abc import Sequence


def significant(number: float, share: bool = False) -> str:
    """Three significant digits; thousands with separators. Of a ``share`` near 1 (a cosine) six decimals,
    rounded down: its distance from 1 is what matters."""
    if abs(number) >= 100 or number == 0:
        return f"{number:,.0f}"
    for limit, digits in ((10, 1), (1, 2)):
        if abs(number) >= limit:
            return f"{number:.{digits}f}"
    if share and 0.999 <= number < 1:
        return f"{math.floor(number * 1e6) / 1e6:.6f}"
    return f"{number:.2f}" if number >= 0.9995 else f"{number:.3g}"


def seconds(duration: float) -> str:
    """A duration of so many seconds in the largest unit that keeps it at one or more."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if duration * factor >= 1:
            return f"{significant(duration * factor)} {unit}"
    return f"{significant(duration * 1e6)} µs"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()) -> str:
    """A markdown table with aligned columns; ``numbers`` are the columns that are set to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(widths[place]) if place in numbers else cell.ljust(widths[place])
            for place, cell in enumerate(cells)
        ]
        return f"| {' | '.join(padded)} |"

    rules = ["-" * (width - 1) + (":" if place in numbers else "-") for place, width in enumerate(widths)]
    return "\n".join([line(head), line(rules), *(line(row) for row in rows)])
