"""Registrations without a database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from samespace.canaries import Registration
from samespace.spec import ModelSpec


class MemoryRegistry:
    """A registry in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, Registration] = {}
        self.verified: list[str] = []
        # What another process does while this one waits for its turn.
        self.before_check: Callable[[], Any] = lambda: None

    @property
    def identity(self) -> str:
        return str(id(self))

    @contextmanager
    def exclusive(self, digest: str) -> Any:
        yield self.before_check()

    def registration(self, model_id: str) -> Registration | None:
        return self.rows.get(model_id)

    def twin(self, spec: ModelSpec) -> Registration | None:
        rows = [
            row for row in self.rows.values() if row.digest == spec.digest and row.model_id != spec.model_id
        ]
        return rows[0] if rows else None

    def register(self, spec: ModelSpec, row: Registration) -> None:
        self.rows[spec.model_id] = row

    def mark_verified(self, row: Registration) -> None:
        self.rows[row.model_id] = row
        self.verified.append(row.model_id)
