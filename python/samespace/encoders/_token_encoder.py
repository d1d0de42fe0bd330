"""What encoders of token ids have in common: each text is tokenised once, cut and counted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from samespace.encoders._tokens import Tokens, counts
from samespace.encoders._values import checked_values, finished
from samespace.encoders._vendor import quiet
from samespace.encoders.base import Encoder, TokenCounts
from samespace.spec import Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TokenEncoder(Encoder):
    """An Encoder over token ids. A subclass sets ``_tokens`` and ``_window`` and implements ``_forward``."""

    _tokens: Tokens
    _window: int

    @abstractmethod
    def _forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        """Vectors of texts given as token ids, none of them empty: float32 [n, width], before truncation."""

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        return self.encode_counted(values, role)[0]

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts:
        texts = checked_values(values, self.spec)
        return counts([len(row) for row in self._tokens.whole(texts, role)], self._window)

    def encode_counted(
        self, values: Sequence[str], role: Role = "document"
    ) -> tuple[NDArray[np.float32], TokenCounts]:
        quiet()
        texts = checked_values(values, self.spec)
        rows, lengths = self._tokens.cut(texts, role, self._window)
        return finished(self._forward(rows), len(texts), self.spec), counts(lengths, self._window)
