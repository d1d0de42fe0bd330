"""What the pump is tested with: a store in memory and an encoder that a test can tell what to do."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from samespace._job import Coverage, Encoded, Page
from samespace.encoders import Encoder
from samespace.encoders.base import TokenCounts
from samespace.pump import Job
from samespace.spec import ModelSpec

SPEC = ModelSpec("toy", "toy@00000000", "0" * 32, "toy", 3)
JOB = Job([SPEC], "document", "stage", "id", "body", "notes", None, True)


class Held:
    """A store whose cache another run fills: the right to it comes after some tries."""

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def __call__(self, spec, temporary):
        self.tries -= 1
        return nullcontext(self.tries < 0)


class Toy(Encoder):
    """A vector per text, and whatever ``happens`` does with the texts of a call."""

    engine, precision = "toy", "fp64"

    def __init__(self, happens=lambda texts: None) -> None:
        super().__init__(SPEC)
        self.happens = happens
        self.calls: list[list[str]] = []

    def encode(self, values, role="document"):
        self.calls.append(list(values))
        made = self.happens(list(values))
        if made is not None:
            return made
        return np.array([[len(value), 1, 1] for value in values], dtype=np.float64)

    def token_counts(self, values, role="document"):
        tokens = np.array([len(value) for value in values], dtype=np.int32)
        return TokenCounts(tokens, tokens > 8, 8)


@dataclass
class Store:
    """Texts are their own content_hash."""

    texts: list[str]
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    writes: list[int] = field(default_factory=list)
    proof: list[tuple[str, list[float]]] = field(default_factory=list)
    page_texts: int = 1000

    def filling(self, spec, temporary):
        return nullcontext(True)

    def prepare(self) -> None: ...

    def prepare_cache(self, spec, temporary=False) -> str:
        return "cache"

    def unproven(self, cache, stage, text, target, spec, role):
        return self.proof

    def seed_cache(self, cache, stage, target, model_id, role) -> None: ...

    def coverage(self, stage, cache, role) -> Coverage:
        missing = [text for text in self.texts if text not in self.kept]
        return Coverage(len(self.texts), len(missing), 0)

    def collect_pending(self, stage, text, cache, role, rows, size):
        self.pending = [text for text in self.texts if text not in self.kept]
        return len(self.pending), sum(map(len, self.pending))

    def writing(self):
        return nullcontext()

    def pages(self) -> int:
        return -(-len(self.pending) // self.page_texts)

    def page(self, number) -> Page:
        part = self.pending[(number - 1) * self.page_texts : number * self.page_texts]
        return Page(part, part)

    def write_page(self, cache, role, page: Encoded) -> None:
        assert page.vectors.dtype == np.float32
        assert len(page.hashes) == len(page.vectors) == len(page.tokens) == len(page.truncated)
        assert not set(page.hashes) & set(self.kept)
        self.writes.append(len(page.hashes))
        self.kept.update(zip(page.hashes, page.vectors, strict=True))

    def keys_of(self, stage, key, content_hash) -> list[str]:
        return [f"<{content_hash}>"]
