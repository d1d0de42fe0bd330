"""What an encoder is: the one thing a provider has to implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenCounts:
    """How many tokens each value has before cutting, and which were cut at the model's window.

    tokens: int32 [n]; truncated: bool [n]; window: the largest number of tokens that is read, or None.
    """

    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    window: int | None


class Encoder(ABC):
    """Turns values into vectors. A subclass takes the ModelSpec and implements ``encode``.

    Constructing one loads the weights (heavy imports happen there, never at module import).
    """

    # True where a value may have no vector (no known word in it): its row is then all zeros,
    # and the pump stores NULL for it instead of refusing the page.
    allows_missing: ClassVar[bool] = False
    engine: str = "python"
    precision: str = "fp32"
    # Sentences for the person running dbt, logged when the model_id is first used.
    notes: tuple[str, ...] = ()

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @abstractmethod
    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        """Vectors of the values, float32 [len(values), spec.dimension], in the order given.

        Unit length when the spec says ``normalize: true``. Raises EncoderError (TransientEncoderError
        where a retry may help); lets MemoryError and the vendor's out-of-memory error pass, so that
        the pump can try again with fewer values.
        """

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts | None:
        """Tokens per value and which values are cut, or None where the provider has no notion of it."""
        return None

    def use_precision(self, precision: str) -> bool:
        """Compute in this precision ('fp32', ...) from the next call on; False where that is not possible."""
        return precision == self.precision

    def encode_counted(
        self, values: Sequence[str], role: Role = "document"
    ) -> tuple[NDArray[np.float32], TokenCounts | None]:
        """``encode`` and ``token_counts`` at once; a provider that tokenises does so only once here."""
        return self.encode(values, role), self.token_counts(values, role)
