"""Static models: one vector per token, a text is the mean of its tokens. No torch.

Reads model2vec folders, sentence-transformers StaticEmbedding folders and bare weights (wordllama).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import model_source, one_file, part_path
from samespace.encoders._tokens import counts, load_tokenizer, token_ids, unknown_id
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
_GATHERED_TOKENS = 65_536


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
        self._tokenizer = load_tokenizer(tokenizer, spec, _EXTRA)
        tensors = _read_tensors(one_file(source.path, _WEIGHTS, spec, "model"), spec)
        self._skipped = unknown_id(self._tokenizer) if "embeddings" in tensors else None
        self._matrix = _matrix(tensors, spec)
        self._check()

    def _check(self) -> None:
        width = self._matrix.shape[1]
        kept = min(int(self.spec.identity.get("truncate_dimension") or width), width)
        if kept != self.spec.dimension:
            raise dimension_error(self.spec, kept)
        vocabulary = self._tokenizer.get_vocab_size(with_added_tokens=True)
        if vocabulary > len(self._matrix):
            raise EncoderError(
                f"samespace: {self.spec.model_id}: the tokenizer has {vocabulary} tokens, the weights have "
                f"{len(self._matrix)} rows: they do not belong together"
            )

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        import numpy as np

        texts = checked_values(values, self.spec)
        ids = [np.asarray(row, dtype=np.int64) for row in self._ids(texts, role)]
        if self._skipped is not None:
            ids = [row[row != self._skipped] for row in ids]
        rows = np.zeros((len(ids), self._matrix.shape[1]), dtype=np.float32)
        for index, tokens in enumerate(ids):
            if len(tokens):
                rows[index] = self._mean(tokens)
        return finished(rows, len(texts), self.spec)

    def _mean(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        import numpy as np

        if len(tokens) <= _GATHERED_TOKENS:
            mean: NDArray[np.float32] = self._matrix[tokens].mean(axis=0, dtype=np.float32)
            return mean
        # a megabyte of text repeats its tokens: gather each row once
        distinct, times = np.unique(tokens, return_counts=True)
        weights = (times / len(tokens)).astype(np.float32)
        return np.asarray(weights @ self._matrix[distinct], dtype=np.float32)

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts:
        return counts([len(row) for row in self._ids(checked_values(values, self.spec), role)], None)

    def _ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        prompt = self.spec.prompt(role)
        return token_ids(self._tokenizer, [prompt + text for text in texts], special=False)


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
