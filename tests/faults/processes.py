"""dbt as a process that can be killed, and the log of its slow encoder."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import catalog
from dbt_process import Dbt
from harness import DbtProject

EMBEDDED = "{{ config(materialized='embedding', model='slow', key='id', text='body') }}\n"


@dataclass
class Slow:
    """The project, the log of its encoder, and how to start dbt beside the test."""

    project: DbtProject
    env: dict[str, str]
    log: Path
    running: list[Dbt] = field(default_factory=list)

    def start(self, *arguments: str, **env: str) -> Dbt:
        env = {**self.project.environment(), **self.env, **env}
        process = Dbt(["--no-use-colors", *arguments], self.project.root, env)
        self.running.append(process)
        return process

    def run(self, *arguments: str, **env: str) -> Any:
        return self.project.dbt("run", *arguments, env={**self.env, **env})

    def calls(self, call: str = "end") -> list[list[str]]:
        """The texts of each call of the encoder that began or ended; canaries are left out."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        events = [json.loads(line) for line in lines]
        return [event["texts"] for event in events if event["call"] == call and event["texts"]]

    def encoded(self) -> list[str]:
        return [text for call in self.calls() for text in call]

    def forget_calls(self) -> None:
        self.log.unlink(missing_ok=True)

    def source(self, rows: int, body: str = "'text number ' || n") -> None:
        """(Re)create raw_texts with the ids 0 ... rows - 1."""
        self.project.query("drop table if exists raw_texts")
        self.project.query(
            f"create table raw_texts as select n as id, {body} as body "
            f"from generate_series(0, {rows - 1}) as t(n)"
        )

    def tables(self) -> set[str]:
        return catalog.relations(self.project)

    def cached(self) -> list[str]:
        """Every text of raw_texts whose vector is kept, as often as it is kept."""
        texts = [text for (text,) in self.project.query("select distinct body from raw_texts")]
        by_hash = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
        kept = [
            content_hash
            for table in catalog.cache_tables(self.project)
            for (content_hash,) in self.project.query(f"select content_hash from {table}")
        ]
        return [by_hash[content_hash] for content_hash in kept if content_hash in by_hash]


def wait_for(condition: Callable[[], bool], process: Dbt, seconds: float = 60) -> None:
    """Until something is true of a process that is still running."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"dbt ended early:\n{process.communicate()[0]}"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
