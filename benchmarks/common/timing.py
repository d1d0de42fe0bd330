"""Contenders take turns and each figure is a median: a shared machine drifts, on both sides alike."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Took:
    """Medians over the rounds of one contender, in seconds; CPU of all threads and of finished children."""

    wall: float
    cpu: float
    rounds: int
    answer: Any = None


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children so far."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def interleaved(
    contenders: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 5,
    warm_up: int = 1,
    clock: Callable[[], float] = cpu_seconds,
) -> dict[str, Took]:
    """Run every contender once per round, in turn; ``warm_up`` rounds first that do not count.

    ``clock`` gives the CPU seconds so far; another one adds those of a server.
    """
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    answers: dict[str, Any] = {}
    for number in range(warm_up + rounds):
        for name, run in contenders.items():
            gc.collect()
            began, used = time.perf_counter(), clock()
            answers[name] = run()
            if number >= warm_up:
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(clock() - used)
    return {
        name: Took(statistics.median(wall[name]), statistics.median(cpu[name]), rounds, answers[name])
        for name in contenders
    }
