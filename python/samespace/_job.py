"""What the pump is asked to do, what it answers, and what it needs of a database and of the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from samespace.encoders.base import Encoder, TokenCounts

PAGE_ROWS = 16_384
PAGE_BYTES = 64 * 1024 * 1024
LAP_TEXTS = 1_024


@dataclass(frozen=True)
class Job:
    """What one embedding relation asks of the pump. Relation names arrive quoted, columns raw."""

    specs: Sequence[ModelSpec]
    role: Role
    stage: str
    key: str
    text: str
    title: str
    target: str | None
    cache: bool
    page_rows: int = PAGE_ROWS
    page_bytes: int = PAGE_BYTES


@dataclass(frozen=True)
class Filled:
    """The outcome for one model: where its vectors are and what it took."""

    model_id: str
    cache: str
    distinct_texts: int
    embedded: int
    tokens: int | None
    seconds: float
    engine: str | None
    precision: str | None
    truncated: int


@dataclass(frozen=True)
class Coverage:
    """How far a cache covers a stage: distinct texts, those without a vector, those that were cut."""

    distinct: int
    missing: int
    truncated: int


@dataclass(frozen=True)
class Page:
    """One page of pending texts, the longest first: as many hashes as texts."""

    hashes: list[str]
    texts: list[str]

    def in_laps(self) -> Page:
        """The same texts, sorted by length, as laps of about 1,024, each from the longest to the shortest.

        A call of many texts then has all lengths, of which some always fit side by side in a row of tokens;
        neighbours in a call of few are still of nearly one length, which wastes little as padding.
        """
        laps = max(1, round(len(self.texts) / LAP_TEXTS))
        places = [place for lap in range(laps) for place in range(lap, len(self.texts), laps)]
        return Page([self.hashes[place] for place in places], [self.texts[place] for place in places])


@dataclass(frozen=True)
class Encoded:
    """Texts with their vectors, as they go into a cache.

    Attributes:
        hashes: content_hash of each text.
        vectors: float32 [n, dimension]; a row of zeros stands for a text that has no vector.
        tokens: int32 [n], or None where the encoder counts none.
        truncated: bool [n], whether the text was cut; None as for ``tokens``.
    """

    hashes: Sequence[str]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32] | None = None
    truncated: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, hashes: Sequence[str], vectors: NDArray[np.float32], counts: TokenCounts | None) -> Encoded:
        """A page of what ``Encoder.encode_counted`` returns."""
        return cls(hashes, vectors, *((counts.tokens, counts.truncated) if counts else ()))

    def usable(self) -> NDArray[np.bool_]:
        """Which rows have a vector: a number that is not zero. Nearly all have it in the first place."""
        import numpy as np

        usable: NDArray[np.bool_] = self.vectors[:, 0] != 0
        others = np.flatnonzero(~usable)
        usable[others] = self.vectors[others].any(axis=1)
        return usable


class EncoderOf(Protocol):
    """The gate: the verified encoder of a spec. ``prove`` is called before a model is registered."""

    def __call__(self, spec: ModelSpec, prove: Callable[[Encoder], None] | None = None) -> Encoder: ...


class PageStore(Protocol):
    """The part of a database that the pump needs. One implementation per database in ``samespace.io``."""

    def filling(self, spec: ModelSpec, temporary: bool) -> AbstractContextManager[bool]:
        """Hold the right to fill a cache; False where another session has it. Does not wait."""

    def prepare(self) -> None: ...
    def prepare_cache(self, spec: ModelSpec, temporary: bool = False) -> str: ...
    def unproven(
        self, cache: str, stage: str, text: str, target: str | None, spec: ModelSpec, role: Role
    ) -> list[tuple[str, list[float]]]: ...
    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None: ...
    def coverage(self, stage: str, cache: str, role: Role) -> Coverage: ...
    def collect_pending(
        self, stage: str, text: str, cache: str, role: Role, rows: int, size: int
    ) -> tuple[int, int]: ...
    def pages(self) -> int: ...
    def page(self, number: int) -> Page: ...
    def writing(self) -> AbstractContextManager[None]:
        """Around the pages of one fill."""

    def write_page(self, cache: str, role: Role, page: Encoded) -> None: ...
    def keys_of(self, stage: str, key: str, content_hash: str) -> list[str]: ...
