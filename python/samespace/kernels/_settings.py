"""How a kernel may use the machine: the dbt var ``samespace_kernel``, parsed; and what fits its memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from samespace.errors import KernelError

Precision = Literal["auto", "fp32", "bf16"]
GIB = 1024**3
_SIZES = {"MB": 10**6, "MiB": 1024**2, "GB": 10**9, "GiB": GIB, "TB": 10**12, "TiB": 1024**4}
# Beside the vectors: positions, lengths, errors, what is found per row (bytes); block buffers per thread.
PER_ROW, PER_THREAD = 96, 48 * 1024**2


@dataclass(frozen=True)
class Settings:
    """precision of the first pass (results do not depend on it), memory in bytes, threads (0: as many as
    the container has)."""

    precision: Precision = "auto"
    memory: int = 4 * GIB
    threads: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Settings:
        """From ``{precision: auto|fp32|bf16, memory: '4 GiB', threads: auto|n}``; else KernelError."""
        given = given or {}
        unknown = sorted(set(given) - {"precision", "memory", "threads"})
        if unknown:
            names = ", ".join(unknown)
            raise KernelError(f"samespace_kernel has {names}; it takes precision, memory, threads")
        precision, threads = given.get("precision", "auto"), given.get("threads", "auto")
        if precision not in ("auto", "fp32", "bf16"):
            raise KernelError(f"samespace_kernel: precision is '{precision}'; pass auto, fp32 or bf16")
        if threads != "auto" and not (type(threads) is int and threads >= 1):
            raise KernelError(f"samespace_kernel: threads is '{threads}'; pass auto or a whole number from 1")
        number = 0 if threads == "auto" else int(threads)
        return cls(cast(Precision, precision), memory_bytes(given.get("memory", "4 GiB")), number)

    def fits(self, rows: int, dimension: int, *, copy: int = 0, threads: int = 1) -> bool:
        """Whether a kernel over so many rows stays within ``memory``; ``copy``: bytes per number copied."""
        return needed(rows, dimension, copy=copy, threads=threads) <= self.memory

    def require(self, rows: int, dimension: int) -> None:
        """KernelError where not even the matrix fits, asked before anything is read."""
        if self.fits(rows, dimension):
            return
        need = needed(rows, dimension) / GIB
        raise KernelError(
            f"{rows:,} rows of {dimension} numbers need {need:.1f} GiB, and samespace_kernel.memory is "
            f"{self.memory / GIB:.1f} GiB. Raise it in the vars of dbt_project.yml if the machine has that "
            "much (samespace_kernel: {memory: '16 GiB'}), or select fewer rows with where="
        )


def needed(rows: int, dimension: int, *, copy: int = 0, threads: int = 1) -> int:
    """Peak bytes of a kernel without its result: rows x (dimension x (4 + copy) + 96) + threads x 48 MiB."""
    return rows * (dimension * (4 + copy) + PER_ROW) + threads * PER_THREAD


def memory_bytes(text: object) -> int:
    """``'4 GiB'`` as bytes; KernelError where it is no size."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([MGT]i?B)", str(text))
    size = float(match[1]) * _SIZES[match[2]] if match else 0.0
    if size < 1:
        raise KernelError(f"samespace_kernel: memory is '{text}'; pass a size such as '4 GiB' or '512 MiB'")
    return int(size)
