"""Compact tables for a terminal: aligned columns, no wider than ``WIDTH`` cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

WIDTH = 100
_LAST = 24
_WIDE = ("W", "F")


def cells(text: str) -> int:
    """How many terminal cells a text takes: two for wide East Asian signs, none for combining ones."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in _WIDE else 1
        for sign in text
    )


def one_line(text: object) -> str:
    """A value as one printable line: white space collapsed, control and formatting signs left out."""
    if text is None:
        return "(null)"
    kept = "".join(sign if unicodedata.category(sign)[0] != "C" else " " for sign in str(text))
    return " ".join(kept.split())


def shorten(text: str, width: int) -> str:
    """Cut a text to a number of cells, with an ellipsis where something was cut."""
    if cells(text) <= width:
        return text
    kept, used = [], 1
    for sign in text:
        used += cells(sign)
        if used > width:
            break
        kept.append(sign)
    return "".join(kept).rstrip() + "…"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "  ") -> str:
    """Rows under a header, numbers right-aligned. The last column gives way first, then the widest."""
    values = [list(row) for row in rows]
    texts = [[_format(value) for value in row] for row in values]
    right = [
        bool(values) and all(isinstance(row[i], (int, float)) or row[i] is None for row in values)
        for i in range(len(header))
    ]
    widths = [max(cells(line[i]) for line in [list(header), *texts]) for i in range(len(header))]
    room = WIDTH - len(indent) - 2 * (len(header) - 1)
    widths[-1] = max(min(widths[-1], _LAST), widths[-1] - max(0, sum(widths) - room))
    while sum(widths) > room and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    lines = [_line(header, widths, right), *(_line(row, widths, right) for row in texts)]
    return "\n".join((indent + line).rstrip() for line in lines)


def _format(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return one_line(value) if value is not None else ""


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, flush in zip(row, widths, right, strict=True):
        cut = shorten(text, width)
        space = " " * (width - cells(cut))
        padded.append(space + cut if flush else cut + space)
    return "  ".join(padded)
