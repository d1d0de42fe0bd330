"""What every encoder does to its values before and to its vectors after the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samespace.errors import EncoderError
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RejectedValueError(EncoderError):
    """One value cannot be encoded; ``index`` is its position in the list handed to ``encode``."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def checked_values(values: Sequence[str], spec: ModelSpec) -> list[str]:
    """The values as a list. Raises RejectedValueError for one that is no text or not valid Unicode."""
    texts = list(values)
    for index, value in enumerate(texts):
        if not isinstance(value, str):
            raise RejectedValueError(
                f"samespace: {spec.model_id}: value {index} is a {type(value).__name__}, not a text", index
            )
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RejectedValueError(
                f"samespace: {spec.model_id}: value {index} holds a lone surrogate "
                f"(U+{ord(value[error.start]):04X} at character {error.start}), which is not a character. "
                "Remove or replace it in the source column",
                index,
            ) from error
    return texts


def finished(vectors: Any, count: int, spec: ModelSpec) -> NDArray[np.float32]:
    """Model output [count, m] as float32 [count, spec.dimension]: truncated, then unit length if asked.

    Rows of zeros stay zeros. Raises EncoderError when the width is not what the spec says.
    """
    import numpy as np

    rows: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32)
    if count == 0:
        return np.zeros((0, spec.dimension), dtype=np.float32)
    truncate = spec.identity.get("truncate_dimension")
    if truncate and rows.ndim == 2:
        rows = rows[:, : int(truncate)]
    if rows.shape != (count, spec.dimension):
        raise dimension_error(spec, rows.shape[-1] if rows.shape[0] == count else rows.shape)
    if spec.identity.get("normalize", True):
        rows = unit_rows(rows)
    return np.ascontiguousarray(rows)


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows divided by their L2 norm, float32 [n, d]; rows of zeros are left as they are."""
    import numpy as np

    # in float64, since the squares of large float32 values overflow
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    norms[norms == 0] = 1.0
    unit: NDArray[np.float32] = (rows / norms[:, None]).astype(np.float32)
    return unit


def dimension_error(spec: ModelSpec, found: object) -> EncoderError:
    return EncoderError(
        f"samespace: {spec.model_id}: the spec says dimension {spec.dimension}, the model returns {found}. "
        f"Set 'dimension: {found}' in samespace_models, or 'truncate_dimension' to shorten the vectors"
    )


def length_batches(lengths: Sequence[int], rows: int, budget: int) -> Iterator[list[int]]:
    """Positions in batches of similar length, longest first.

    A batch has at most ``rows`` members and at most ``budget`` cells once padded to its longest member
    (one member where that alone exceeds it). The longest come first, so that a machine too small fails
    at once and not after an hour.
    """
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    start = 0
    while start < len(order):
        longest = max(1, lengths[order[start]])
        size = max(1, min(rows, budget // longest))
        yield order[start : start + size]
        start += size


def batch_size(spec: ModelSpec, default: int = 32) -> int:
    return max(1, int(spec.runtime.get("batch_size") or default))


def window_error(spec: ModelSpec, wanted: int, positions: int) -> EncoderError:
    return EncoderError(
        f"samespace: {spec.model_id}: max_seq_length {wanted} is more than the {positions} positions the "
        "model has"
    )


def prompt_notes(spec: ModelSpec, shipped: Mapping[str, str]) -> tuple[str, ...]:
    """A note where a model ships prompts and the spec says nothing about prompts."""
    unused = {name: text for name, text in shipped.items()
              if text and text not in (spec.prompt("query"), spec.prompt("document"))}
    if not unused or spec.identity.get("prompts"):
        return ()
    listed = ", ".join(f"{name}: {text!r}" for name, text in list(unused.items())[:4])
    return (
        f"{spec.model_id}: the model ships prompts that the spec does not use ({listed}). Vectors are made "
        "without them; add prompts: {document: ..., query: ...} to the spec to use them",
    )
