"""A provider from a package of its own, which counts what it encodes and can be told to misbehave."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catalog
from harness import REPO, DbtProject, Outcome

PROVIDER = '''
import hashlib, json, os
from pathlib import Path

import numpy as np

import samespace.pump
from samespace.canaries import TEXTS
from samespace.encoders import Encoder, TokenCounts
from samespace.errors import TransientEncoderError

samespace.pump.RETRY_SECONDS = (0.01, 0.01, 0.01, 0.01)


class CountingEncoder(Encoder):
    """Random directions by text. Its weights file holds: seed, scale, lost_prompt, noise, max_texts, down."""

    engine = "counting"

    def __init__(self, spec):
        super().__init__(spec)
        file = Path(spec.load_from or ".") / "weights.json"
        self.weights = json.loads(file.read_text()) if file.exists() else {}

    def encode(self, values, role="document"):
        texts = list(values)
        self.note(texts, role)
        most = self.weights.get("max_texts", 10**9)
        if len(texts) > most or any("always too large" in text for text in texts):
            raise MemoryError("no room for these texts")
        if any("make it fail" in text for text in texts):
            raise ValueError("the vendor says no")
        down = self.weights.get("down", 0)
        if down and any("come back" in text for text in texts):
            self.weights["down"] = down - 1
            raise TransientEncoderError("the host is away")
        rows = np.vstack([self.vector(text, role) for text in texts])
        if any("one number less" in text for text in texts):
            return rows[:, :-1]
        for word, value in (("a NaN", np.nan), ("an infinity", np.inf), ("all zeros", 0.0)):
            rows[[word in text for text in texts]] = value
        return rows

    def vector(self, text, role):
        prompt = "" if self.weights.get("lost_prompt") else self.spec.prompt(role)
        row = self.random("seed", prompt + text)
        row += self.weights.get("noise", 0.0) * self.random("noise", text)
        if self.spec.identity.get("normalize", True):
            row /= np.linalg.norm(row)
        return row.astype(np.float32) * np.float32(self.weights.get("scale", 1.0))

    def random(self, kind, text):
        head = f"{kind}{self.weights.get('seed', 0)}{self.spec.identity.get('options')}".encode()
        digest = hashlib.sha256(head + text.encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(size=self.spec.dimension)

    def token_counts(self, values, role="document"):
        window = self.spec.identity.get("max_seq_length")
        tokens = np.array([len(text.split()) for text in values], dtype=np.int32)
        return TokenCounts(tokens, tokens > (window or 10**9), window)

    def note(self, texts, role):
        counted = [text[:200] for text in texts if text not in TEXTS]
        line = {"name": self.spec.name, "role": role, "texts": counted}
        with open(os.environ["COUNTED"], "a") as file:
            file.write(json.dumps(line) + "\\n")
'''
COUNTING = {"provider": "counting", "model": "random-directions", "dimension": 8}


@dataclass
class CountedProject:
    """A scratch project whose dbt finds the provider ``counting``. Tables are made outside dbt."""

    project: DbtProject
    provider: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join([str(self.provider), str(REPO / "python")]),
            "COUNTED": str(self.project.root / "counted.jsonl"),
        }

    def dbt(self, *arguments: str, env: dict[str, str] | None = None, fresh: bool = False) -> Outcome:
        if arguments[0] in {"run", "build", "ls", "compile"}:
            arguments = (*arguments, "--select", "package:scratch")
        return self.project.dbt(*arguments, env={**self.environment, **(env or {})}, fresh=fresh)

    def run(self, *arguments: str, env: dict[str, str] | None = None, fresh: bool = False) -> Outcome:
        """``dbt run`` that has to succeed. Forgets what was counted before."""
        (self.project.root / "counted.jsonl").unlink(missing_ok=True)
        outcome = self.dbt("run", *arguments, env=env, fresh=fresh)
        assert outcome.ok, outcome.output[-4000:]
        return outcome

    def counted(self, name: str | None = None) -> list[str]:
        """Every text that an encoder was handed since, repeats included; canary texts are left out."""
        file = self.project.root / "counted.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [text for line in lines if name in {None, line["name"]} for text in line["texts"]]

    def sql(self, *statements: str) -> None:
        for statement in statements:
            self.project.query(statement)

    def table(self, name: str, rows: list[dict[str, Any]]) -> None:
        """(Re)create a table from rows of equal keys; every column is text but integers."""
        columns = ", ".join(
            f"{column} {'bigint' if isinstance(value, int) else 'varchar'}"
            for column, value in rows[0].items()
        )
        self.sql(f"drop table if exists {name}", f"create table {name} ({columns})")
        marks = ", ".join("?" * len(rows[0]))
        self.project.insert(f"insert into {name} values ({marks})", [tuple(row.values()) for row in rows])

    @property
    def engine(self) -> str:
        return self.project.engine

    def exists(self, name: str) -> bool:
        return catalog.exists(self.project, name)

    def model(self, name: str, select: str, **config: Any) -> None:
        options = {"materialized": "embedding", "model": "count", "key": "id", "text": "body", **config}
        arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
        self.project.write(f"models/{name}.sql", f"{{{{ config({arguments}) }}}}\n{select}")

    def weights(self, folder: str, **weights: Any) -> str:
        """Write the weights that ``load_from`` names; returns the folder."""
        self.project.write(f"{folder}/weights.json", json.dumps(weights))
        return str(self.project.root / folder)

    def configure(self, models: dict[str, Any]) -> None:
        self.project.models = models
        self.project.configure()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.project.query(sql)

    def runs(
        self, relation: str, columns: str = "embedded, cached, removed, updated, nulls"
    ) -> tuple[Any, ...]:
        """The newest row of embedding_runs of a relation (of one model)."""
        return self.rows(
            f"select {columns} from samespace.embedding_runs where relation like '%\"{relation}\"' "
            "order by finished_at desc limit 1"
        )[0]
