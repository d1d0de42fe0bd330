"""The command line that every benchmark shares."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def options(
    doc: str | None, more: Callable[[argparse.ArgumentParser], object] | None = None
) -> argparse.Namespace:
    """``--small`` and ``--rounds``; ``more`` adds arguments of a script's own."""
    first, _, rest = (doc or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="less than a minute: does it run?")
    parser.add_argument("--rounds", type=int, default=None, help="rounds that count")
    if more is not None:
        more(parser)
    return parser.parse_args()
