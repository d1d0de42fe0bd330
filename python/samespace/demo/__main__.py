"""``python -m samespace.demo [--target duckdb|pgvector] [--csv FILE --key COLUMN --text COLUMN]``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from samespace.demo import own_file, places, tickets
from samespace.demo.own_file import Wish
from samespace.demo.screen import complain
from samespace.errors import SamespaceError


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code is 0, 1 after an error that was printed, or 130 after Ctrl-C."""
    chosen = _parser().parse_args(arguments)
    try:
        places.check(chosen.target)
        if chosen.csv:
            columns = chosen.key, chosen.text
            own_file.run(
                Wish(chosen.csv, *columns, chosen.threshold, chosen.query, chosen.folder, chosen.target)
            )
        else:
            tickets.run(chosen.target)
    except SamespaceError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("Stopped. What is embedded is kept; the next run goes on from there.")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m samespace.demo",
        description="Embed, deduplicate, cluster and search: the tickets of the repository, or a file. "
        "make demo hands its variables TARGET, CSV, KEY, TEXT, THRESHOLD and QUERY over in the environment.",
    )
    given = os.environ
    parser.add_argument(
        "--target", default=given.get("TARGET") or "duckdb", metavar="TARGET",
        help="duckdb (default), or pgvector: an embedded PostgreSQL",
    )  # fmt: skip
    parser.add_argument("--csv", metavar="FILE", default=given.get("CSV"), help="a CSV or Parquet file")
    parser.add_argument("--key", metavar="COLUMN", default=given.get("KEY"), help="a unique column")
    parser.add_argument("--text", metavar="COLUMN", default=given.get("TEXT"), help="the column to embed")
    parser.add_argument(
        "--threshold", type=_similarity, default=given.get("THRESHOLD") or "0.92", metavar="S",
        help="similarity from which two texts are duplicates (default 0.92)",
    )  # fmt: skip
    parser.add_argument(
        "--query", action="append", default=[given["QUERY"]] if given.get("QUERY") else [], metavar="TEXT",
        help="search for this text (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where the dbt project of the file goes (default .demo)"
    )
    return parser


def _similarity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 2.0
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a similarity; expected -1 to 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
