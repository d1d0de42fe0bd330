"""The engines of ``_gemm`` that multiply with torch: float32 or bfloat16, on the CPU or on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samespace.kernels._gemm import CUDA_BLOCK, GROUP, TALL, WIDE, Engine, Scorer, Side
from samespace.kernels._vectors import Doubles, Floats, Positions, Vectors

_CHUNK = 1024
# Of a number kept in 8 bits: half of 2**-7, see Higham, Accuracy and Stability of Numerical Algorithms, 2.1.
BF16_ROUNDING = 2.0**-8


class FloatSide(Side):
    """float32: on the CPU the rows in place, on a device a copy."""

    def __init__(self, vectors: Vectors, rows: Positions | None, device: str) -> None:
        super().__init__(vectors, rows)
        self._device = device

    def block(self, rows: slice) -> Any:
        import torch

        return torch.from_numpy(self.units(rows)).to(self._device)


class HalfSide(Side):
    """bfloat16: a copy of rows x dimension x 2 bytes, and how far each row is from what it stands for."""

    def __init__(self, vectors: Vectors, rows: Positions | None, device: str) -> None:
        import torch

        super().__init__(vectors, rows)
        self._matrix = torch.empty(len(self), vectors.dimension, dtype=torch.bfloat16, device=device)
        for start in range(0, len(self), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(self)))
            units = torch.from_numpy(self.units(part)).to(device)
            self._matrix[part] = units
            lost = torch.linalg.vector_norm(units - self._matrix[part], dim=1)
            # A little more for the float32 in which the difference is formed.
            self.error[part] = lost.double().cpu().numpy() * (1 + 1e-4)

    def gather(self, at: int, rows: Positions) -> None:
        import torch

        super().gather(at, rows)
        self._matrix[at : at + len(rows)] = self._matrix[torch.from_numpy(rows).to(self._matrix.device)]

    def block(self, rows: slice) -> Any:
        return self._matrix[rows]


class TorchScorer(Scorer):
    """Products in one buffer; on a device only what is hot leaves it."""

    def __init__(self, tall: int, wide: int, half: bool, device: str) -> None:
        import torch

        super().__init__()
        self._half = half
        kind = torch.bfloat16 if half else torch.float32
        self._buffer = torch.empty((tall + GROUP) * wide, dtype=kind, device=device)
        self._groups = self._buffer

    def multiply(self, tall: Any, wide: Any) -> NDArray[Any]:
        import torch

        height, width = len(tall), len(wide)
        groups = -(-height // GROUP)
        padded = self._buffer[: groups * GROUP * width].view(-1, width)
        torch.mm(tall, wide.t(), out=padded[:height])
        padded[height:] = -torch.inf
        codes = padded.view(torch.int16) if self._half else padded
        self._groups = codes.view(groups, GROUP, width)
        return np.asarray(self._groups.amax(1).cpu().numpy())

    def pick(self, group: Positions, column: Positions) -> NDArray[Any]:
        import torch

        if self._groups.device.type == "cpu":
            return np.asarray(self._groups.numpy()[group, :, column])
        at = [torch.from_numpy(places).to(self._groups.device) for places in (group, column)]
        return np.asarray(self._groups[at[0], :, at[1]].cpu().numpy())

    def all_codes(self) -> NDArray[Any]:
        return np.asarray(self._groups.flatten(0, 1).cpu().numpy())

    def codes(self, floor: Doubles) -> NDArray[Any]:
        if not self._half:
            return np.nextafter(floor.astype(np.float32), np.float32(-np.inf))
        import torch

        rounded = torch.from_numpy(floor).to(torch.bfloat16).view(torch.int16).numpy().copy()
        # Below zero the bits run the other way: everything passes there.
        rounded[(floor <= 0) | (rounded <= 0)] = np.iinfo(np.int16).min
        return np.asarray(rounded)

    def scores(self, codes: NDArray[Any]) -> Floats:
        if not self._half:
            return np.asarray(codes, dtype=np.float32)
        return (codes.astype(np.int32) << 16).view(np.float32)


class TorchEngine(Engine):
    """torch with one thread per scorer: blocks are spread over threads, not torn up among them."""

    def __init__(self, threads: int, *, half: bool, device: str = "cpu") -> None:
        super().__init__(threads if device == "cpu" else 1)
        self._half, self._device = half, device
        self.name = f"torch {'bf16' if half else 'fp32'}" + ("" if device == "cpu" else f" ({device})")
        self.rounding = BF16_ROUNDING if half else 0.0
        self.nanoseconds = 2 / (1400 if half else 150)
        self.tall, self.wide = (TALL, WIDE) if device == "cpu" else (CUDA_BLOCK, CUDA_BLOCK)

    def side(self, vectors: Vectors, rows: Positions | None = None) -> Side:
        return (HalfSide if self._half else FloatSide)(vectors, rows, self._device)

    def new_scorer(self) -> Scorer:
        return TorchScorer(self.tall, self.wide, self._half, self._device)

    def precise(self) -> Engine:
        if not self._half:
            return self
        return TorchEngine(self.threads, half=False, device=self._device)

    def running(self) -> AbstractContextManager[None]:
        return _one_thread()

    def begin_thread(self) -> None:
        import torch

        # A number of threads is a property of the thread that asks.
        torch.set_num_threads(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch computes with one thread, and adds up in float32 on a device; what was set before comes back."""
    import torch

    threads, matmul = torch.get_num_threads(), torch.backends.cuda.matmul
    reduced = matmul.allow_bf16_reduced_precision_reduction
    torch.set_num_threads(1)
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        matmul.allow_bf16_reduced_precision_reduction = reduced
