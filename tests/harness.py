"""A throw-away dbt project that installs this package, and an in-process dbt to run it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import databases
import yaml
from dbt_process import run_dbt, run_in_new_interpreter
from targets import duckdb_output

REPO = Path(__file__).resolve().parents[1]
HASHING = {"provider": "hashing", "model": "char-ngrams", "dimension": 64}


@dataclass
class Outcome:
    """What one dbt command did: exit code, what it printed, and the parsed run results."""

    code: int
    output: str
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.code == 0

    def message(self, name: str) -> str:
        """The result line of one node, e.g. 'EMBED 12 new, ...'."""
        return next(r["message"] for r in self.results if r["unique_id"].split(".")[2] == name)


@dataclass
class DbtProject:
    """A dbt project in a folder of its own. ``files`` are paths relative to it with their text."""

    root: Path
    models: dict[str, Any] = field(default_factory=lambda: {"hash64": HASHING})
    variables: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / "dbt_packages").mkdir(parents=True, exist_ok=True)
        link = self.root / "dbt_packages" / "samespace"
        if not link.exists():
            link.symlink_to(REPO, target_is_directory=True)
        self.write("packages.yml", yaml.safe_dump({"packages": [{"local": str(REPO)}]}))
        self.configure()

    @property
    def output(self) -> dict[str, Any]:
        """The output of profiles.yml: a DuckDB file in the folder, unless ``target`` says otherwise."""
        if self.target.get("type", "duckdb") != "duckdb":
            return self.target
        return {**duckdb_output(self.root), **self.target}

    @property
    def engine(self) -> str:
        """``duckdb`` or ``pgvector``."""
        return str(self.output["type"])

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return Path(self.output["path"])

    def configure(self) -> None:
        project = {
            "name": "scratch", "version": "1.0.0", "config-version": 2, "profile": "scratch",
            "model-paths": ["models"], "seed-paths": ["seeds"], "test-paths": ["tests"],
            "snapshot-paths": ["snapshots"], "macro-paths": ["macros"],
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"samespace_models": self.models, **self.variables}, **self.config,
        }
        self.write("dbt_project.yml", yaml.safe_dump(project, sort_keys=False))
        profiles = {"scratch": {"target": "dev", "outputs": {"dev": self.output}}}
        self.write("profiles.yml", yaml.safe_dump(profiles))

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def dbt(
        self, *arguments: str, env: dict[str, str] | None = None, timeout: int = 300, fresh: bool = False
    ) -> Outcome:
        """Run dbt in a process of its own (its DuckDB file is closed when this returns).

        ``fresh``: in a new interpreter, for tests of what is imported.
        """
        env = {**self.environment(), **(env or {})}
        run = run_in_new_interpreter if fresh else run_dbt
        code, printed = run(["--no-use-colors", *arguments], self.root, env, timeout)
        return Outcome(code, printed, self.read_results())

    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "DBT_PROFILES_DIR": str(self.root), "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(REPO / "python"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def read_results(self) -> list[dict[str, Any]]:
        file = self.root / "target" / "run_results.json"
        return json.loads(file.read_text())["results"] if file.exists() else []

    def statements(self) -> int:
        """How many the last command sent for its one model, transactions included: of dbt's debug log."""
        log = (self.root / "logs" / "dbt.log").read_text()
        return len(re.findall(r"Thread-1.*SQL status", log[log.rindex("running dbt with arguments") :]))

    def query(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a statement ('?' marks parameters) on the project's database, without dbt."""
        return databases.execute(self.output, sql, parameters)

    def insert(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """One statement ('?' marks parameters) per row, on the project's database."""
        databases.execute_many(self.output, sql, rows)
