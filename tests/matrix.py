"""Build the consumer project on every supported dbt and database, installed as ``local:`` and as ``git:``.

`make test-matrix`; one cell: `make test-matrix MATRIX='--dbt 1.11.16 --database duckdb-1.5.5 --install git'`.
Environments are kept in .matrix/, so that a second run only installs DuckDB again. PostgreSQL is the
embedded one.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests"))

# A script: its folder has to be found first.
from consumer.consumer import copy_consumer  # noqa: E402
from databases import create_database  # noqa: E402

CACHE = REPO / ".matrix"
# 1.12.0 names a parser that later builds from source with a download; this pre-release is a wheel.
DBT = {
    "1.10.23": [],
    "1.11.16": [],
    "1.12.0": ["dbt-core-experimental-parser==2.0.0a4"],
}
DATABASES = ["duckdb-1.4.5", "duckdb-1.5.5", "duckdb-2.0.0", "postgres-16", "postgres-18"]
INSTALLS = ["local", "git"]
# What the hashing provider and the kernels need; the rest comes with dbt.
LIBRARIES = ["numpy", "pyarrow", "scipy", "scikit-learn"]


@dataclass(frozen=True)
class Cell:
    dbt: str
    database: str
    install: str

    @property
    def version(self) -> str:
        return self.database.partition("-")[2]


@dataclass(frozen=True)
class Outcome:
    cell: Cell
    passed: bool
    seconds: float
    summary: str


def run(command: list[str], log: Path, cwd: Path | None = None) -> None:
    """Run a command with its output in a log; a failure ends the whole matrix with the end of that log."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        sys.exit(f"{command[0]} failed, see {log.relative_to(REPO)}:\n{(done.stdout + done.stderr)[-1500:]}")


def pins() -> list[str]:
    """Our own libraries as constraints.txt has them; dbt's dependencies are left to each dbt version."""
    lines = (REPO / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.split("==")[0] in LIBRARIES]


def pip(python: Path, log: Path, *arguments: str) -> None:
    run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments], log)


def environment(dbt: str) -> Path:
    """The interpreter of an environment with one dbt version and this checkout's wheel."""
    folder, log = CACHE / f"dbt-{dbt}", CACHE / "logs" / f"install-dbt-{dbt}.log"
    python = folder / "bin" / "python"
    packages = [f"dbt-core=={dbt}", *DBT[dbt], "dbt-duckdb>=1.10,<2", "dbt-postgres>=1.9,<2", *LIBRARIES]
    complete, wanted = folder / ".complete", "\n".join([*packages, *pins()]) + "\n"
    if not complete.exists() or complete.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        constraints = CACHE / "constraints.txt"
        constraints.write_text("\n".join(pins()) + "\n")
        pip(python, log, "-c", str(constraints), *packages)
        complete.write_text(wanted)
    with tempfile.TemporaryDirectory() as scratch:
        # Built from a copy, because a build folder in the checkout would linger.
        source = snapshot(Path(scratch) / "source")
        pip(python, log, "--no-deps", "--force-reinstall", str(source))
    return python


def snapshot(folder: Path) -> Path:
    """The checkout as it is now (new files included, ignored ones not) as a git repository of one commit."""
    folder.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPO, capture_output=True, text=True, check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPO / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, folder / name)
    log = CACHE / "logs" / "git.log"
    author = ["-c", "user.name=matrix", "-c", "user.email=matrix@example.org", "-c", "commit.gpgsign=false"]
    run(["git", "init", "-q", "-b", "main"], log, folder)
    run(["git", "add", "-A"], log, folder)
    run(["git", *author, "commit", "-q", "-m", "snapshot"], log, folder)
    return folder


def package(install: str, source: Path) -> dict[str, Any]:
    """The entry of packages.yml."""
    return {"local": str(source)} if install == "local" else {"git": source.as_uri(), "revision": "main"}


def try_cell(cell: Cell, python: Path, source: Path) -> Outcome:
    log = CACHE / "logs" / f"{cell.dbt}-{cell.database}-{cell.install}.log"
    if cell.database.startswith("duckdb"):
        pip(python, log, "--no-deps", f"duckdb=={cell.version}")
        output: dict[str, Any] = {"type": "duckdb"}
    else:
        output = create_database("matrix", int(cell.version))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        project = copy_consumer(
            Path(scratch) / "consumer", python=str(python), python_path=None, output=output
        )
        try:
            project.install(package(cell.install, source))
        except AssertionError as error:
            log.write_text(str(error))
            return Outcome(cell, False, time.monotonic() - start, "dbt deps failed")
        done = project.dbt("build", timeout=1200)
    log.write_text(done.stdout)
    counts = [line for line in done.stdout.splitlines() if "PASS=" in line]
    summary = counts[-1].split("Done. ")[-1] if counts else f"see {log.relative_to(REPO)}"
    warned = re.search(r"\w*Warning\b.*|\[WARNING\].*", done.stdout)
    if warned:
        summary += f"; warns: {warned[0][:120]}"
    return Outcome(cell, done.returncode == 0 and not warned, time.monotonic() - start, summary)


def cells(arguments: argparse.Namespace) -> list[Cell]:
    return [
        Cell(dbt, database, install) for dbt in arguments.dbt for database in arguments.database
        for install in arguments.install
    ]


def parse_arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--dbt", nargs="+", choices=list(DBT), default=list(DBT))
    parser.add_argument("--database", nargs="+", default=DATABASES)
    parser.add_argument("--install", nargs="+", choices=INSTALLS, default=INSTALLS)
    return parser.parse_args()


def line(outcome: Outcome) -> str:
    cell, word = outcome.cell, "ok" if outcome.passed else "FAILED"
    where = f"{cell.dbt:10} {cell.database:12} {cell.install:8}"
    return f"{where} {word:7} {outcome.seconds:7.0f}  {outcome.summary}"


def main() -> int:
    arguments, outcomes = parse_arguments(), []
    print(f"{'dbt-core':10} {'database':12} {'install':8} {'result':7} {'seconds':>7}  dbt build", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = snapshot(Path(scratch) / "samespace")
        pythons: dict[str, Path] = {}
        for cell in cells(arguments):
            if cell.dbt not in pythons:
                pythons[cell.dbt] = environment(cell.dbt)
            outcome = try_cell(cell, pythons[cell.dbt], source)
            outcomes.append(outcome)
            print(line(outcome), flush=True)
    return int(not all(outcome.passed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
