"""The pump: pending texts, page by page, through an encoder into the cache. What is written is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from samespace._faults import StoppedError, out_of_memory, said, unusable
from samespace._job import Encoded, EncoderOf, Filled, Job, Page, PageStore
from samespace._pace import Pace, Progress, Waiting, encoding
from samespace.errors import CanaryError, EncoderError, TransientEncoderError
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    from samespace.encoders.base import Encoder

RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)

# One fill at a time per process: threads that run models with the same texts would embed them twice,
# and their first-time DDL would conflict.
fill_lock = threading.RLock()


def fill(
    job: Job,
    store: PageStore,
    encoder_of: EncoderOf,
    log: Callable[[str], None],
    stopped: threading.Event,
) -> list[Filled]:
    """Bring the cache up to date for every model of a job. Loads no encoder when nothing is pending.

    Raises EncoderError for a text or a provider that fails, StoppedError once ``stopped`` is set. Every
    page written before stays in the cache.
    """
    return [_Fill(job, spec, store, encoder_of, log, stopped).in_turn() for spec in job.specs]


class _Fill:
    """One model of a job: its pending texts, page by page, each page in calls of about a second."""

    def __init__(
        self,
        job: Job,
        spec: ModelSpec,
        store: PageStore,
        encoder_of: EncoderOf,
        log: Callable[[str], None],
        stopped: threading.Event,
    ) -> None:
        self.job, self.spec, self.store, self.stopped = job, spec, store, stopped
        self.encoder_of, self.log = encoder_of, log
        self.role = spec.cache_role(job.role)
        self.pace = Pace()
        self.tokens: int | None = None
        self.truncated = 0

    def in_turn(self) -> Filled:
        """Run while no other thread fills, and no other process fills this cache."""
        title, model_id = self.job.title, self.spec.model_id
        waiting = Waiting(f"{title}: waiting for another run that fills {model_id}", self.log)
        while True:
            with fill_lock, self.store.filling(self.spec, temporary=not self.job.cache) as mine:
                if mine:
                    return self.run()
            # Not inside the lock: threads with other models go on meanwhile.
            waiting.pause(self.stopped)
            self.stop_if_asked()

    def run(self) -> Filled:
        started = time.monotonic()
        self.stop_if_asked()
        job, spec, store = self.job, self.spec, self.store
        store.prepare()
        cache = store.prepare_cache(spec, temporary=not job.cache)
        kept = store.unproven(cache, job.stage, job.text, job.target, spec, self.role)
        if kept:
            self.encoder_of(spec, lambda encoder: self.prove(kept, encoder))
        covered = store.coverage(job.stage, cache, self.role)
        if covered.missing and job.target:
            store.seed_cache(cache, job.stage, job.target, spec.model_id, self.role)
        self.truncated = covered.truncated
        pending, encoder = 0, None
        if covered.missing:
            pending, encoder = self.pages(cache)
        return Filled(
            spec.model_id, cache, covered.distinct, pending, self.tokens, time.monotonic() - started,
            encoder.engine if encoder else None, encoder.precision if encoder else None, self.truncated,
        )  # fmt: skip

    def pages(self, cache: str) -> tuple[int, Encoder | None]:
        """Embed what is missing: how many texts that were, and what embedded them."""
        job, store = self.job, self.store
        pending, length = store.collect_pending(
            job.stage, job.text, cache, self.role, job.page_rows, job.page_bytes
        )
        if not pending:
            return 0, None
        self.stop_if_asked()
        encoder = self.encoder_of(self.spec)
        progress = Progress(f"{job.title}: {self.spec.model_id}", pending, length, self.log)
        with store.writing():
            for number in range(1, store.pages() + 1):
                self.page(store.page(number).in_laps(), cache, encoder, progress)
        return pending, encoder

    def prove(self, kept: Sequence[tuple[str, list[float]]], encoder: Encoder) -> None:
        """Vectors without a registration (a dropped schema, a copied table) must be of this model."""
        import numpy as np

        from samespace.canaries import agreement, agrees

        stored = np.asarray([vector for _, vector in kept], dtype=np.float32)
        with encoding:
            fresh = encoder.encode([text for text, _ in kept], self.job.role)
        cosine, ratio = agreement(stored, fresh)
        if not agrees(cosine, ratio):
            raise CanaryError(
                f"samespace: {self.job.title} holds vectors of {self.spec.model_id}, the registry has no row "
                f"of that model, and what was loaded does not reproduce them: {len(kept)} texts agree with a "
                f"mean cosine of {cosine.mean():.5f}, a smallest of {cosine.min():.5f}. Nothing was stored. "
                "Correct the spec, or bump version: in it to embed all of them again."
            )

    def page(self, page: Page, cache: str, encoder: Encoder, progress: Progress) -> None:
        """Encode and keep a page. Each call is kept on its own, so that little is lost whatever happens."""
        start = 0
        while start < len(page.texts):
            self.stop_if_asked()
            end = min(start + self.pace.texts, len(page.texts))
            hashes, texts = page.hashes[start:end], page.texts[start:end]
            began = time.monotonic()
            try:
                made = self.encode(hashes, texts, encoder)
            except StoppedError:
                raise
            except Exception as error:
                if out_of_memory(error) and len(texts) > 1:
                    self.pace.too_many(len(texts))
                    continue
                # Only now may the other texts of a call be asked for: to name the one that fails.
                raise self.named(error, hashes, texts, encoder) from error
            self.refuse_bad(made, encoder)
            self.pace.took(len(texts), time.monotonic() - began)
            self.store.write_page(cache, self.role, made)
            if made.tokens is not None:
                self.tokens = (self.tokens or 0) + int(made.tokens.sum())
            if made.truncated is not None:
                self.truncated += int(made.truncated.sum())
            progress.add(len(texts), sum(map(len, texts)))
            start = end

    def encode(self, hashes: Sequence[str], texts: Sequence[str], encoder: Encoder) -> Encoded:
        for pause in RETRY_SECONDS:
            try:
                return self.call(hashes, texts, encoder)
            except TransientEncoderError as error:
                self.log(f"{self.spec.model_id}: {said(error, self.spec)}; trying again in {pause:g} s")
                if self.stopped.wait(pause):
                    self.stop_if_asked()
        return self.call(hashes, texts, encoder)

    def call(self, hashes: Sequence[str], texts: Sequence[str], encoder: Encoder) -> Encoded:
        import numpy as np

        with encoding, np.errstate(over="ignore", invalid="ignore"):
            vectors, counts = encoder.encode_counted(texts, self.job.role)
            return Encoded.of(hashes, np.ascontiguousarray(vectors, dtype=np.float32), counts)

    def stop_if_asked(self) -> None:
        if self.stopped.is_set():
            raise StoppedError(
                f"samespace: {self.job.title}: stopped while embedding with {self.spec.model_id}. The table "
                "is as it was, the vectors made so far are kept, and the next run goes on from there."
            )

    def named(
        self, error: Exception, hashes: Sequence[str], texts: Sequence[str], encoder: Encoder
    ) -> EncoderError:
        """The error as a sentence that names the row, where one text alone is to blame."""
        kept = "The table is as it was; the vectors made so far are kept."
        if isinstance(error, TransientEncoderError):
            return EncoderError(
                f"samespace: {self.spec.model_id} failed {len(RETRY_SECONDS) + 1} times in a row for "
                f"{self.job.title}: {said(error, self.spec)}. {kept} Run again to go on from there."
            )
        full = out_of_memory(error)
        what = "ran out of memory on" if full else "could not embed"
        position = 0 if full else self.guilty(texts, encoder)
        if position is None:
            return EncoderError(
                f"samespace: {self.spec.model_id} could not embed the texts of {self.job.title}: "
                f"{said(error, self.spec)}. {kept}"
            )
        return EncoderError(
            f"samespace: {self.spec.model_id} {what} the text of {self.job.title} with "
            f"{self.keys(hashes[position])}: {said(error, self.spec)}. {kept}"
        )

    def guilty(self, texts: Sequence[str], encoder: Encoder) -> int | None:
        """The position of the one text that fails; None where others do too: then the encoder is to blame."""
        low, high = 0, len(texts)
        while high - low > 1:
            self.stop_if_asked()
            middle = (low + high) // 2
            left, right = self.fails(texts[low:middle], encoder), self.fails(texts[middle:high], encoder)
            if left == right:
                return None
            low, high = (low, middle) if left else (middle, high)
        return low

    def fails(self, texts: Sequence[str], encoder: Encoder) -> bool:
        try:
            with encoding:
                encoder.encode(texts, self.job.role)
        except Exception:  # noqa: BLE001  # whatever a provider raises; it is raised again with its row
            return True
        return False

    def keys(self, content_hash: str) -> str:
        found = self.store.keys_of(self.job.stage, self.job.key, content_hash)
        return f"{self.job.key} {', '.join(found)}"

    def refuse_bad(self, made: Encoded, encoder: Encoder) -> None:
        """Raise if a vector may not be stored."""
        fault = unusable(made.vectors, len(made.hashes), self.spec, encoder)
        if fault is None:
            return
        reason, position = fault
        row = (
            ""
            if position is None
            else (
                f", first for the text of {self.job.title} with {self.keys(made.hashes[position])} "
                f"(content_hash {made.hashes[position]})"
            )
        )
        raise EncoderError(
            f"samespace: {self.spec.model_id} {reason}{row}. None of them was stored; the table is as it was."
        )
