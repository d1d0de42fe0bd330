"""What a database keeps of a model that was used: the row of ``embedding_models`` and its check."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from samespace.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Registration:
    """A row of the registry. ``canaries``: float32 [roles x texts, dimension], document role first."""

    model_id: str
    digest: str
    canary_version: int
    canaries: NDArray[np.float32]
    revision: str | None = None
    space: str = ""
    unit_norm: bool = False
    verified: bool = True


class Registry(Protocol):
    """Where registrations live. One implementation per database in ``samespace.io``."""

    @property
    def identity(self) -> str: ...
    def exclusive(self, digest: str) -> AbstractContextManager[None]:
        """Wait for, then hold, the right to register and check this fingerprint, against other processes."""

    def registration(self, model_id: str) -> Registration | None: ...
    def twin(self, spec: ModelSpec) -> Registration | None: ...
    def register(self, spec: ModelSpec, row: Registration) -> None: ...
    def mark_verified(self, row: Registration) -> None: ...


def checksum(row: Registration) -> str:
    """SHA-256 over what a registration asserts: a row edited by hand no longer matches it."""
    facts = (
        row.model_id, row.digest, row.canary_version, row.revision, row.space, row.unit_norm, row.verified,
    )  # fmt: skip
    head = json.dumps(facts).encode()
    return hashlib.sha256(head + row.canaries.tobytes()).hexdigest()
