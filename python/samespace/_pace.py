"""How much goes into one call of an encoder, and what the person waiting reads meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PROGRESS_SECONDS = 5.0
WAITING_SECONDS, POLL_SECONDS = 30.0, 0.5

# One call of an encoder at a time per process: two would fight for the same cores, and encoders need not be
# safe for threads. Held for one call only, so that a query text never waits for a whole fill.
encoding = threading.RLock()


class Pace:
    """How many texts go into one call: about a second's worth, so that stopping, progress and what a crash
    would lose stay within seconds on a slow model, and a fast one still gets whole pages."""

    SECONDS, LEAST, FIRST = 1.0, 8, 16

    def __init__(self) -> None:
        self.texts = self.FIRST
        self.most: int | None = None

    def took(self, texts: int, seconds: float) -> None:
        wanted = int(texts * self.SECONDS / max(seconds, 1e-6))
        self.texts = max(self.LEAST, min(wanted, texts * 8))
        if self.most is not None:
            self.texts = min(self.texts, self.most)

    def too_many(self, texts: int) -> None:
        self.most = self.texts = max(texts // 2, 1)


class Progress:
    """Every few seconds 'tickets: minilm@3f9a2c1b: 2,048 of 20,000 texts, 410/s, 44 s left'."""

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
            rate = self.done / seconds
            self.log(
                f"{self.title}: {self.done:,} of {self.texts:,} texts, {rate:,.0f}/s, {left:,.0f} s left"
            )


class Waiting:
    """Says once, and then every half minute, what a run waits for."""

    def __init__(self, message: str, log: Callable[[str], None]) -> None:
        self.message, self.log = message, log
        self.started = time.monotonic()
        self.said = 0

    def pause(self, stopped: threading.Event) -> None:
        """Wait a moment, or less once ``stopped`` is set."""
        seconds = time.monotonic() - self.started
        if seconds >= self.said * WAITING_SECONDS:
            self.said += 1
            self.log(self.message if self.said == 1 else f"{self.message} ({seconds:,.0f} s)")
        stopped.wait(POLL_SECONDS)
