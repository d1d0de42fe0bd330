"""Which engine multiplies, for how much work, and the threads among which its blocks are spread."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Generic, TypeVar

from samespace.errors import KernelError
from samespace.kernels._cpu import cpu_threads, has_bf16_units, has_nvidia
from samespace.kernels._gemm import Engine, NumpyEngine, Scorer
from samespace.kernels._settings import Settings

Job = TypeVar("Job")
Item = TypeVar("Item")
# Importing torch takes about 1.5 s of a core, in which NumPy multiplies some 0.3 TFLOP of float32 per core;
# above this much work bfloat16 has won the time back.
WORTH_TORCH = 1e12
_AHEAD = 4


@contextmanager
def engine_for(settings: Settings, pairs: float, rows: int, dimension: int) -> Iterator[Engine]:
    """The engine for ``pairs`` products of two vectors, chosen among ``rows`` of them, while the block runs.

    Raises KernelError where bfloat16 is asked for by name and cannot be had, and where the rows alone exceed
    the memory.
    """
    settings.require(rows, dimension)
    engine = choose(settings, 2 * pairs * dimension, rows, dimension)
    with engine.running():
        yield engine


def choose(settings: Settings, work: float, rows: int, dimension: int) -> Engine:
    """``auto`` takes bfloat16 where ``work`` (floating point operations) pays for importing torch, the
    processor has the units (or there is a CUDA device) and the copy fits the memory; else float32."""
    worth = "torch" in sys.modules or work >= WORTH_TORCH
    by_name = settings.precision == "bf16"
    if not (by_name or (worth and _torch_pays(settings))):
        return NumpyEngine()
    if find_spec("torch") is None:
        raise KernelError(
            "samespace_kernel.precision is bf16, which needs the Python package torch. "
            "Install it where dbt runs (pip install torch), or set precision: auto"
        )
    from samespace.kernels._torch_gemm import TorchEngine

    threads, device = cpu_threads(settings.threads), _device()
    half = by_name or (settings.precision == "auto" and (device != "cpu" or has_bf16_units()))
    if half and not by_name:
        half = settings.fits(rows, dimension, copy=2, threads=threads)
    return TorchEngine(threads, half=half, device=device)


def _torch_pays(settings: Settings) -> bool:
    """Whether torch would be faster than NumPy here, or is the one that can be told its threads."""
    if find_spec("torch") is None:
        return False
    half = settings.precision == "auto" and has_bf16_units()
    return half or bool(settings.threads) or (has_nvidia() and _device() != "cpu")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def spread(
    engine: Engine, jobs: Sequence[Job], run: Callable[[Scorer, Job], Iterator[Item]]
) -> Iterator[Item]:
    """What ``run`` yields for every job, each thread with a scorer of its own; in no certain order.

    Threads stay at most a few items ahead of the reader, so that what is found never piles up.
    """
    number = min(engine.threads, len(jobs))
    if number <= 1:
        scorer = engine.scorer(0)
        for job in jobs:
            yield from run(scorer, job)
        return
    crew = _Crew(engine, list(jobs), run)
    try:
        yield from crew.items(number)
    finally:
        crew.stop.set()
        for thread in crew.threads:
            thread.join()


class _Crew(Generic[Job, Item]):
    """Threads that take jobs from one list and hand over what they yield through one short queue."""

    def __init__(self, engine: Engine, jobs: list[Job], run: Callable[[Scorer, Job], Iterator[Item]]) -> None:
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []
        self._engine, self._run = engine, run
        self._jobs = iter(jobs)
        self._lock = threading.Lock()
        self._ready: queue.Queue[tuple[str, object]] = queue.Queue(maxsize=_AHEAD)

    def items(self, number: int) -> Iterator[Item]:
        self.threads = [threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(number)]
        for thread in self.threads:
            thread.start()
        busy = number
        while busy:
            kind, item = self._ready.get()
            if kind == "failed":
                raise item  # type: ignore[misc]
            if kind == "done":
                busy -= 1
            else:
                yield item  # type: ignore[misc]

    def _work(self, number: int) -> None:
        try:
            self._engine.begin_thread()
            scorer = self._engine.scorer(number)
            while not self.stop.is_set() and (job := self._next()) is not None:
                for item in self._run(scorer, job):
                    if not self._hand("item", item):
                        return
            self._hand("done", None)
        except BaseException as error:  # noqa: BLE001  # raised again where the items are read
            self._hand("failed", error)

    def _next(self) -> Job | None:
        with self._lock:
            return next(self._jobs, None)

    def _hand(self, kind: str, item: object) -> bool:
        """Put an item into the queue; False where nobody reads any more."""
        while not self.stop.is_set():
            try:
                self._ready.put((kind, item), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
