"""What goes wrong around an encoder, and how a sentence says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samespace.errors import EncoderError, SamespaceError
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from samespace.encoders.base import Encoder

SAID_CHARACTERS = 400


class StoppedError(EncoderError):
    """The person running dbt asked it to stop."""


def unusable(
    vectors: NDArray[np.float32], count: int, spec: ModelSpec, encoder: Encoder
) -> tuple[str, int | None] | None:
    """Why these vectors may not be stored, and the first one concerned; None where they are good."""
    import numpy as np

    if vectors.shape != (count, spec.dimension):
        return (
            f"returned an array of shape {vectors.shape}; expected ({count}, {spec.dimension}): one vector "
            "per text, of the dimension in its spec"
        ), None
    bad = ~np.isfinite(vectors).all(axis=1)
    if not encoder.allows_missing:
        bad |= ~vectors.any(axis=1)
    if not bad.any():
        return None
    return f"returned a vector of NaN, infinity or only zeros for {int(bad.sum())} text(s)", int(
        np.argmax(bad)
    )


def out_of_memory(error: BaseException) -> bool:
    """Memory of the machine, or of an accelerator (torch.OutOfMemoryError and its like)."""
    return isinstance(error, MemoryError) or "outofmemory" in type(error).__name__.lower()


def said(error: BaseException, spec: ModelSpec) -> str:
    """What an exception says, as part of a sentence of ours: one line, without our prefix, not endless."""
    text = " ".join(str(error).split())
    for prefix in ("samespace: ", f"{spec.model_id}: "):
        text = text.removeprefix(prefix)
    if not isinstance(error, SamespaceError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (text if len(text) <= SAID_CHARACTERS else text[:SAID_CHARACTERS] + " ...").rstrip(".")
