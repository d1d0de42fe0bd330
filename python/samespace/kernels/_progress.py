"""A progress line every few seconds, for kernels that run longer than that."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_AFTER = 3.0
EVERY = 10.0


class Progress:
    """Counts work done and logs ``<what>: 40 % (12 s, about 18 s to go)`` now and then."""

    def __init__(
        self, what: str, total: float, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.total, self.log, self.clock = what, max(total, 1.0), log, clock
        self.done = 0.0
        self.started = clock()
        self.next_line = self.started + FIRST_AFTER

    @property
    def share(self) -> float:
        """Part of the work that is done, 0 to 1."""
        return min(self.done / self.total, 1.0)

    def add(self, amount: float) -> None:
        """Note ``amount`` units of finished work; logs when a line is due."""
        self.done += amount
        now = self.clock()
        if now < self.next_line or not self.done:
            return
        self.next_line = now + EVERY
        spent = now - self.started
        left = spent / self.share - spent
        self.log(f"{self.what}: {100 * self.share:.0f} % ({spent:.0f} s, about {left:.0f} s to go)")
