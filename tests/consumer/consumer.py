"""The consumer project copied to a folder of its own, and dbt to run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import databases
import yaml
from dbt_process import run_dbt

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
# What the dbt script does, for any environment, without the RuntimeWarning of `python -m dbt.cli.main`.
DBT = "from dbt.cli.main import cli; cli()"
PARTS = ["dbt_project.yml", "profiles.yml", "models", "seeds", "macros", "snapshots", "tests"]


@dataclass(frozen=True)
class Copy:
    """A copy of a dbt project, run with one interpreter (this one, or another environment's)."""

    root: Path
    python: str = sys.executable
    python_path: str | None = str(REPO / "python")
    output: dict[str, Any] = field(default_factory=lambda: {"type": "duckdb"})

    @property
    def database(self) -> dict[str, Any]:
        """The output with the DuckDB file in this folder."""
        return {"path": str(self.root / "consumer.duckdb"), **self.output}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the project's database, without dbt and our package."""
        return databases.execute(self.database, sql)

    @property
    def environment(self) -> dict[str, str]:
        """What the project's profiles.yml reads."""
        if self.output["type"] == "duckdb":
            return {"SAMESPACE_DUCKDB_PATH": self.database["path"]}
        fields = ["host", "port", "user", "password", "dbname"]
        return {
            "SAMESPACE_TARGET": self.output["type"],
            **{f"SAMESPACE_PG_{name.upper()}": str(self.output[name]) for name in fields},
        }

    def dbt(
        self, *arguments: str, timeout: int = 600, fresh: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """One dbt command in the copy; its output and error output are both in ``stdout``.

        ``fresh``: in a new interpreter, for tests of what dbt warns of while it parses the package.
        """
        environment = {
            **os.environ, "DBT_PROFILES_DIR": str(self.root), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "HF_HUB_OFFLINE": "1", **self.environment,
        }
        environment.pop("PYTHONPATH", None)
        if self.python_path:
            environment["PYTHONPATH"] = self.python_path
        if self.python == sys.executable and not fresh:
            code, printed = run_dbt(["--no-use-colors", *arguments], self.root, environment, timeout)
            return subprocess.CompletedProcess(["dbt", *arguments], code, printed)
        return subprocess.run(
            [self.python, "-c", DBT, "--no-use-colors", *arguments], cwd=self.root, timeout=timeout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment,
        )

    def install(self, package: dict[str, Any]) -> None:
        """Name samespace in packages.yml and let dbt install it."""
        shutil.rmtree(self.root / "dbt_packages", ignore_errors=True)
        (self.root / "package-lock.yml").unlink(missing_ok=True)
        (self.root / "packages.yml").write_text(yaml.safe_dump({"packages": [package]}))
        done = self.dbt("deps")
        assert done.returncode == 0, done.stdout


def copy_consumer(folder: Path, **options: Any) -> Copy:
    """The consumer project in ``folder``, without samespace installed yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = HERE / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        elif source.exists():
            shutil.copy(source, folder / part)
    return Copy(folder, **options)


LOCAL = {"local": str(REPO)}
