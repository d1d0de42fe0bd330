"""Every benchmark, one after the other, and one table of ratios at the end: what `make bench` runs.

    python benchmarks/run_all.py           small versions; nothing is kept (minutes)
    python benchmarks/run_all.py --full    all sizes; rewrites benchmarks/results and both READMEs' tables

Names of scripts (pairs, knn, ...) pick some of them. A script that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import table
from common.report import RESULTS, goal_table

HERE = Path(__file__).resolve().parent
# No network and no window is part of what is compared.
QUIET = {
    "HF_HUB_OFFLINE": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1", "MPLBACKEND": "agg",
}  # fmt: skip


def scripts(names: list[str]) -> list[Path]:
    """The scripts of these names; all of them where none is given. Raises SystemExit for an unknown one."""
    found = {file.stem.removeprefix("bench_"): file for file in sorted(HERE.glob("bench_*.py"))}
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise SystemExit(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(found)}")
    return [found[name] for name in names or found]


def run(script: Path, results: Path, full: bool) -> bool:
    """Run one script; whether it came to its end."""
    print(f"\n=== {script.name}{'' if full else ' --small'}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), *([] if full else ["--small"])], check=False,
        env={**os.environ, **QUIET, "SAMESPACE_BENCH_RESULTS": str(results)},
    )  # fmt: skip
    words = "took" if done.returncode == 0 else f"FAILED with {done.returncode} after"
    print(f"=== {script.name} {words} {time.perf_counter() - began:.0f} s", flush=True)
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="pairs, knn, ...; all where none is given")
    parser.add_argument("--full", action="store_true", help="all sizes; keeps the results")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samespace-bench-results-") as temporary:
        results = RESULTS if given.full else Path(temporary)
        failed = [
            script.name for script in scripts(given.names) if not run(script, results, given.full)
        ]
        print("\n=== Ratios\n")
        if not given.full:
            print("Small sizes: these say that everything runs; the goals are about the full ones.\n")
        print(goal_table(table.goals(results)))
        if given.full:
            table.write()
    if failed:
        raise SystemExit(f"\nfailed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
