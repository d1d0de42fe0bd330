"""Static models: one vector per token, a text is the mean of its tokens. No torch.

Reads model2vec folders, sentence-transformers StaticEmbedding folders and bare weights (wordllama).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import model_source, one_file, part_path
from samespace.encoders._tokens import Tokens, counts, load_tokenizer, unknown_id
from samespace.encoders._values import checked_values, dimension_error, finished
from samespace.encoders._vendor import vendor
from samespace.encoders.base import Encoder, TokenCounts
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "static"
_WEIGHTS = ("model.safetensors", "0_StaticEmbedding/model.safetensors", "*.safetensors")
_TOKENIZER = ("tokenizer.json", "0_StaticEmbedding/tokenizer.json", "*tokenizer*.json")
_HUB = ("model.safetensors", "tokenizer.json", "0_StaticEmbedding/model.safetensors",
        "0_StaticEmbedding/tokenizer.json", "config.json")
# The rows gathered at once: what they take stays in the processor's cache.
_GATHERED_TOKENS = 512


class StaticEncoder(Encoder):
    """Mean of the token vectors, no special tokens, no window.

    Unknown tokens are left out where the file is model2vec's (tensor ``embeddings``), as model2vec
    does, and take part where it is sentence-transformers' or bare (``embedding.weight``), as there.
    A text without any token left has no vector: a row of zeros.
    """

    allows_missing = True
    engine = "numpy"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        source = model_source(spec, _HUB, _EXTRA)
        self.resolved_revision: str | None = source.revision
        tokenizer = one_file(part_path(spec, "tokenizer", source.path), _TOKENIZER, spec, "tokenizer")
        backend = load_tokenizer(tokenizer, spec, _EXTRA)
        self._tokens = Tokens(backend, spec, special=False)
        tensors = _read_tensors(one_file(source.path, _WEIGHTS, spec, "model"), spec)
        self._skipped = unknown_id(backend) if "embeddings" in tensors else None
        self._matrix = _matrix(tensors, spec)
        self._check(backend.get_vocab_size(with_added_tokens=True))

    def _check(self, vocabulary: int) -> None:
        width = self._matrix.shape[1]
        kept = min(int(self.spec.identity.get("truncate_dimension") or width), width)
        if kept != self.spec.dimension:
            raise dimension_error(self.spec, kept)
        if vocabulary > len(self._matrix):
            raise EncoderError(
                f"samespace: {self.spec.model_id}: the tokenizer has {vocabulary} tokens, the weights have "
                f"{len(self._matrix)} rows: they do not belong together"
            )

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        return self.encode_counted(values, role)[0]

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts:
        texts = checked_values(values, self.spec)
        return counts([len(row) for row in self._tokens.whole(texts, role)], None)

    def encode_counted(
        self, values: Sequence[str], role: Role = "document"
    ) -> tuple[NDArray[np.float32], TokenCounts]:
        import numpy as np

        texts = checked_values(values, self.spec)
        rows = self._tokens.whole(texts, role)
        tokens = counts([len(row) for row in rows], None)
        means = np.empty((len(rows), self._matrix.shape[1]), dtype=np.float32)
        ends = np.cumsum(tokens.tokens, dtype=np.int64)
        start = 0
        while start < len(rows):
            before = ends[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(ends, before + _GATHERED_TOKENS, "right")))
            means[start:end] = self._means(rows[start:end])
            start = end
        return finished(means, len(texts), self.spec), tokens

    def _means(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The mean of each row's token vectors, float32 [rows, d]; zeros for a row without tokens."""
        import numpy as np

        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        ids = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum()))
        if self._skipped is not None:
            owner = np.repeat(np.arange(len(rows)), lengths)[ids != self._skipped]
            ids, lengths = ids[ids != self._skipped], np.bincount(owner, minlength=len(rows))
        means = np.zeros((len(rows), self._matrix.shape[1]), dtype=np.float32)
        if len(ids) > _GATHERED_TOKENS:  # one very long text, which repeats its tokens: gather each row once
            distinct, times = np.unique(ids, return_counts=True)
            means[0] = (times / len(ids)).astype(np.float32) @ self._matrix[distinct]
            return means
        filled = lengths > 0
        if filled.any():
            firsts = (np.cumsum(lengths) - lengths)[filled]
            sums = np.add.reduceat(self._matrix[ids], firsts, axis=0, dtype=np.float32)
            means[filled] = sums / lengths[filled, None].astype(np.float32)
        return means


def _read_tensors(path: Path, spec: ModelSpec) -> dict[str, Any]:
    safetensors = vendor("safetensors.numpy", _EXTRA, spec.model_id)
    try:
        tensors: dict[str, Any] = safetensors.load_file(str(path))
    except Exception as error:  # safetensors raises its own Rust error type, and KeyError for bfloat16
        raise EncoderError(
            f"samespace: {spec.model_id}: cannot read the tensors of {path}: {error}. Static weights are a "
            "safetensors file in float32, float16 or int8"
        ) from error
    if not {"embeddings", "embedding.weight"} & tensors.keys():
        raise EncoderError(
            f"samespace: {spec.model_id}: {path} holds no token vectors: its tensors are "
            f"{', '.join(sorted(tensors)[:5])}; expected 'embeddings' or 'embedding.weight'. "
            "Is this a transformer? Then use provider: sentence-transformers"
        )
    return tensors


def _matrix(tensors: dict[str, Any], spec: ModelSpec) -> NDArray[np.float32]:
    """One row per token id, float32: model2vec's mapping and weights are folded in."""
    import numpy as np

    matrix = tensors["embeddings"] if "embeddings" in tensors else tensors["embedding.weight"]
    if matrix.ndim != 2:
        raise EncoderError(
            f"samespace: {spec.model_id}: the token vectors have shape {matrix.shape}, not 2 dimensions"
        )
    if "mapping" in tensors:
        matrix = matrix[tensors["mapping"].astype(np.int64)]
    rows = matrix.astype(np.float32)
    if "weights" in tensors:
        rows = rows * tensors["weights"].astype(np.float32)[:, None]
    return np.ascontiguousarray(rows)
