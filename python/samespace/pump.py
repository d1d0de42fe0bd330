"""The pump: pending texts, page by page, through an encoder into the cache. Every page is kept once written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from samespace.errors import EncoderError, InputError, TransientEncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from samespace.encoders.base import Encoder, TokenCounts

PAGE_ROWS = 2048
PAGE_BYTES = 64 * 1024 * 1024
RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)
PROGRESS_SECONDS = 5.0

# One fill at a time per process: threads that run models with the same texts would embed them twice,
# and their first-time DDL would conflict.
fill_lock = threading.RLock()


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


class PageStore(Protocol):
    """The part of a database that the pump needs. One implementation per database in ``samespace.io``."""

    def prepare(self) -> None: ...
    def prepare_cache(self, spec: ModelSpec, temporary: bool = False) -> str: ...
    def seed_cache(self, cache: str, stage: str, target: str, model_id: str, role: Role) -> None: ...
    def collect_pending(
        self, stage: str, text: str, cache: str, role: Role, rows: int, size: int
    ) -> tuple[int, int, int]: ...
    def pages(self) -> int: ...
    def page(self, number: int) -> Any: ...
    def write_page(
        self,
        cache: str,
        role: Role,
        hashes: Sequence[str],
        vectors: NDArray[np.float32],
        tokens: Sequence[int] | None,
        truncated: Sequence[bool] | None,
    ) -> None: ...
    def keys_of(self, stage: str, key: str, content_hash: str) -> list[str]: ...


def fill(
    job: Job,
    store: PageStore,
    encoder_of: Callable[[ModelSpec], Encoder],
    log: Callable[[str], None],
    stopped: threading.Event,
) -> list[Filled]:
    """Bring the cache up to date for every model of a job. Loads no encoder when nothing is pending."""
    with fill_lock:
        store.prepare()
        return [_fill_model(job, spec, store, encoder_of, log, stopped) for spec in job.specs]


def _fill_model(
    job: Job,
    spec: ModelSpec,
    store: PageStore,
    encoder_of: Callable[[ModelSpec], Encoder],
    log: Callable[[str], None],
    stopped: threading.Event,
) -> Filled:
    started = time.monotonic()
    role = spec.cache_role(job.role)
    cache = store.prepare_cache(spec, temporary=not job.cache)
    if job.target:
        store.seed_cache(cache, job.stage, job.target, spec.model_id, role)
    distinct, pending, length = store.collect_pending(
        job.stage, job.text, cache, role, job.page_rows, job.page_bytes
    )
    if not pending:
        return Filled(spec.model_id, cache, distinct, 0, None, time.monotonic() - started, None, None)
    encoder = encoder_of(spec)
    progress = _Progress(f"{job.title}: {spec.model_id}", pending, length, log)
    tokens: int | None = None
    for number in range(1, store.pages() + 1):
        _stop_if(stopped, spec)
        page = store.page(number)
        vectors, counts = _encode_page(page, spec, encoder, job, store, stopped)
        store.write_page(
            cache, role, page.hashes, vectors,
            counts.tokens.tolist() if counts else None, counts.truncated.tolist() if counts else None,
        )  # fmt: skip
        if counts:
            tokens = (tokens or 0) + int(counts.tokens.sum())
        progress.add(len(page.hashes), sum(map(len, page.texts)))
    seconds = time.monotonic() - started
    return Filled(
        spec.model_id, cache, distinct, pending, tokens, seconds, encoder.engine, encoder.precision
    )


def _stop_if(stopped: threading.Event, spec: ModelSpec) -> None:
    if stopped.is_set():
        raise InputError(
            f"samespace: stopped while embedding with {spec.model_id}. The pages embedded so far are kept; "
            "the next run goes on from there."
        )


def _encode_page(
    page: Any, spec: ModelSpec, encoder: Encoder, job: Job, store: PageStore, stopped: threading.Event
) -> tuple[NDArray[np.float32], TokenCounts | None]:
    import numpy as np

    pieces: list[NDArray[np.float32]] = []
    counts = encoder.token_counts(page.texts, job.role)
    for start, end in _encode_ranges(page, spec, encoder, job, store, stopped, pieces):
        _refuse_bad(page.hashes[start:end], pieces[-1], spec, encoder, job, store)
    return np.ascontiguousarray(np.vstack(pieces), dtype=np.float32), counts


def _encode_ranges(
    page: Any,
    spec: ModelSpec,
    encoder: Encoder,
    job: Job,
    store: PageStore,
    stopped: threading.Event,
    pieces: list[NDArray[np.float32]],
) -> list[tuple[int, int]]:
    """Encode the page, halving it where memory runs out. Fills ``pieces``, returns their ranges."""
    todo, done = [(0, len(page.texts))], []
    while todo:
        start, end = todo.pop()
        try:
            pieces.append(_encode(page.texts[start:end], job.role, encoder, stopped))
            done.append((start, end))
        except Exception as error:
            if end - start > 1 and (_out_of_memory(error) or not isinstance(error, TransientEncoderError)):
                middle = (start + end) // 2
                todo += [(middle, end), (start, middle)]
                continue
            raise _named(error, page.hashes[start], spec, job, store) from error
    return done


def _encode(
    texts: Sequence[str], role: Role, encoder: Encoder, stopped: threading.Event
) -> NDArray[np.float32]:
    for pause in (*RETRY_SECONDS, None):
        try:
            return encoder.encode(texts, role)
        except TransientEncoderError:
            if pause is None or stopped.wait(pause):
                raise
    raise AssertionError("unreachable")


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "outofmemory" in type(error).__name__.lower()


def _named(error: Exception, content_hash: str, spec: ModelSpec, job: Job, store: PageStore) -> EncoderError:
    keys = ", ".join(store.keys_of(job.stage, job.key, content_hash))
    what = "ran out of memory on" if _out_of_memory(error) else "could not embed"
    return EncoderError(
        f"samespace: {spec.model_id} {what} the text of {job.title} with {job.key} {keys}: {error}. "
        "The pages embedded before are kept; the table is as it was."
    )


def _refuse_bad(
    hashes: Sequence[str],
    vectors: NDArray[np.float32],
    spec: ModelSpec,
    encoder: Encoder,
    job: Job,
    store: PageStore,
) -> None:
    """Raise if a vector may not be stored: wrong shape, NaN, infinite, or zero where that is no answer."""
    import numpy as np

    if vectors.shape != (len(hashes), spec.dimension):
        raise EncoderError(
            f"samespace: {spec.model_id} returned an array of shape {vectors.shape}; expected "
            f"({len(hashes)}, {spec.dimension}): one vector per text, of the spec's dimension. Nothing of this page was stored."
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    if not encoder.allows_missing:
        bad |= ~vectors.any(axis=1)
    if bad.any():
        content_hash = hashes[int(np.argmax(bad))]
        keys = ", ".join(store.keys_of(job.stage, job.key, content_hash))
        raise EncoderError(
            f"samespace: {spec.model_id} returned a vector with NaN, infinity or only zeros for {int(bad.sum())} "
            f"text(s) of {job.title}, the first with content_hash {content_hash} ({job.key} {keys}). "
            "Nothing of this page was stored."
        )


class _Progress:
    """Lines such as 'tickets: minilm@3f9a2c1b: 2,048 of 20,000 texts, 410/s, 44 s left', every few seconds."""

    def __init__(self, title: str, texts: int, length: int, log: Callable[[str], None]) -> None:
        self.title, self.texts, self.length, self.log = title, texts, max(length, 1), log
        self.done = self.read = 0
        self.started = self.last = time.monotonic()

    def add(self, texts: int, length: int) -> None:
        self.done, self.read = self.done + texts, self.read + length
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS and self.done < self.texts:
            self.last = now
            seconds = now - self.started
            # Pages come longest first, so characters say more about the time left than texts do.
            left = seconds * (self.length - self.read) / max(self.read, 1)
            self.log(f"{self.title}: {self.done:,} of {self.texts:,} texts, {self.done / seconds:,.0f}/s, {left:,.0f} s left")
