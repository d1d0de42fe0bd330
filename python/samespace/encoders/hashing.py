"""Character n-grams hashed into a fixed number of buckets: no download, no training, good at typos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samespace.encoders._values import checked_values, finished
from samespace.encoders._vendor import vendor
from samespace.encoders.base import Encoder
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODEL = "char-ngrams"
_ANALYZERS = ("char_wb", "char", "word")
_ROWS = 1024


class HashingEncoder(Encoder):
    """scikit-learn's HashingVectorizer (MurmurHash3, alternating signs), normalised.

    Every text has a vector: where its n-grams are none, or cancel each other out, the text's single
    characters and longer n-grams are hashed without signs, so that nothing can cancel.
    """

    engine = "scikit-learn"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        identity = spec.identity
        if identity.get("model", _MODEL) != _MODEL:
            raise EncoderError(
                f"samespace: {spec.model_id}: provider 'hashing' knows the model '{_MODEL}' only, "
                f"not '{identity['model']}'"
            )
        shortest, longest = int(identity.get("ngram_min", 2)), int(identity.get("ngram_max", 4))
        analyzer = identity.get("analyzer", "char_wb")
        if analyzer not in _ANALYZERS or not 1 <= shortest <= longest:
            raise EncoderError(
                f"samespace: {spec.model_id}: analyzer must be one of {', '.join(_ANALYZERS)} and "
                f"1 <= ngram_min <= ngram_max; got {analyzer}, {shortest}, {longest}"
            )
        self._vectorizer = self._hasher(analyzer, shortest, longest, signed=True)
        self._fallback = self._hasher("char", 1, longest, signed=False)

    def _hasher(self, analyzer: str, shortest: int, longest: int, signed: bool) -> Any:
        text = vendor("sklearn.feature_extraction.text", "hashing", self.spec.model_id)
        return text.HashingVectorizer(
            analyzer=analyzer, ngram_range=(shortest, longest), n_features=self.spec.dimension,
            alternate_sign=signed, norm=None, lowercase=bool(self.spec.identity.get("lowercase", True)),
            dtype="float32",
        )

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        import numpy as np

        texts = checked_values(values, self.spec)
        rows = np.zeros((len(texts), self.spec.dimension), dtype=np.float32)
        for start in range(0, len(texts), _ROWS):
            page = texts[start : start + _ROWS]
            rows[start : start + len(page)] = self._vectorizer.transform(page).toarray()
        for index in np.flatnonzero(~rows.any(axis=1)):
            # padded, so that even '' has an n-gram
            rows[index] = self._fallback.transform([f" {texts[index]} "]).toarray()[0]
        return finished(rows, len(texts), self.spec)
