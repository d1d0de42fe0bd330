"""Which precision an encoder computes in: what the project asked for, and what the machine is good at."""

from __future__ import annotations

from typing import Any

from samespace.errors import EncoderError
from samespace.kernels._cpu import has_bf16_units
from samespace.spec import ModelSpec

_PRECISIONS = ("auto", "fp32", "bf16")


def wanted_precision(spec: ModelSpec) -> str:
    """``runtime.precision``: auto, fp32 or bf16. Raises EncoderError for anything else."""
    wanted = str(spec.runtime.get("precision") or "auto")
    if wanted not in _PRECISIONS:
        raise EncoderError(
            f"samespace: {spec.model_id}: runtime.precision must be one of {', '.join(_PRECISIONS)}, not "
            f"'{wanted}'"
        )
    return wanted


def fast_precision(spec: ModelSpec, torch: Any, device: str) -> str:
    """The precision to try first: bf16 where it is asked for, or faster here; fp32 everywhere else."""
    wanted = wanted_precision(spec)
    if wanted != "auto":
        return wanted
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if has_bf16_units() else "fp32"
