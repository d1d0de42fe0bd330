"""BERT-like sentence encoders computed here: no padding, bfloat16 where it pays, no library but torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._bert import Bert, NotPlainError
from samespace.encoders._packing import packed
from samespace.encoders._precision import fast_precision
from samespace.encoders._token_encoder import TokenEncoder
from samespace.encoders._tokens import Tokens, load_tokenizer
from samespace.encoders._transformer import Transformer
from samespace.encoders._values import (
    batch_size,
    dimension_error,
    prompt_notes,
    unit_rows,
    window_error,
)
from samespace.encoders._vendor import cpu_threads, vendor
from samespace.errors import EncoderError
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "packed"
# Tokens of a batch per text of ``runtime.batch_size``: the default of 32 texts is 2,048 tokens.
_TOKENS_PER_TEXT = 64


class PackedEncoder(TokenEncoder):
    """The model of a sentence-transformers folder, with the same vectors, without that library.

    fp32 gives its vectors to 1e-5. bf16 (``runtime.precision``) is taken where the processor has the units,
    and left again, with ``use_precision``, where the canaries disagree.
    """

    engine = "packed"

    def __init__(self, spec: ModelSpec, folder: Path, bert: Bert, revision: str | None = None) -> None:
        super().__init__(spec)
        self.resolved_revision = revision
        self._bert, self._folder = bert, folder
        self._torch = vendor("torch", _EXTRA, spec.model_id)
        self.device = self._choose_device()
        self._tokens = Tokens(load_tokenizer(folder / "tokenizer.json", spec, _EXTRA), spec)
        self._window = self._tokens.check(_window(spec, bert))
        self._dense = [self._dense_layer(layer.folder, layer.tanh) for layer in bert.dense]
        self._check_dimension()
        self.notes = prompt_notes(spec, bert.prompts)
        self.precision = fast_precision(spec, self._torch, self.device)
        self._model = self._load()

    def _choose_device(self) -> str:
        """cpu or cuda. Raises NotPlainError for any other: those are sentence-transformers' to judge."""
        wanted = str(self.spec.runtime.get("device") or "auto")
        cuda = self._torch.cuda.is_available()
        if wanted == "auto":
            if not cuda and self._torch.backends.mps.is_available():
                raise NotPlainError("the device is mps")
            return "cuda" if cuda else "cpu"
        if wanted != "cpu" and not (wanted.startswith("cuda") and cuda):
            raise NotPlainError(f"the device is '{wanted}'")
        return wanted

    def _read(self, folder: Path) -> dict[str, Any]:
        files = vendor("safetensors.torch", _EXTRA, self.spec.model_id)
        try:
            tensors: dict[str, Any] = files.load_file(str(folder / "model.safetensors"))
        except Exception as error:  # safetensors raises its own Rust error type
            raise EncoderError(
                f"samespace: {self.spec.model_id}: cannot read the tensors of {folder}: {error}"
            ) from error
        return tensors

    def _dense_layer(self, folder: Path, tanh: bool) -> tuple[Any, Any, bool]:
        tensors = {name: tensor.float().to(self.device) for name, tensor in self._read(folder).items()}
        return tensors["linear.weight"], tensors.get("linear.bias"), tanh

    def _check_dimension(self) -> None:
        width = len(self._dense[-1][0]) if self._dense else self._bert.width
        kept = min(int(self.spec.identity.get("truncate_dimension") or width), width)
        if kept != self.spec.dimension:
            raise dimension_error(self.spec, kept)

    def use_precision(self, precision: str) -> bool:
        if precision != self.precision:
            self.precision = precision
            self._model = self._load()
        return True

    def _forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        import numpy as np

        width = len(self._dense[-1][0]) if self._dense else self._bert.width
        out = np.zeros((len(rows), width), dtype=np.float32)

        def run(batch: Any) -> None:
            out[batch.texts] = self._behind(self._model.vectors(batch)).cpu().numpy()

        batches = list(packed(rows, batch_size(self.spec) * _TOKENS_PER_TEXT))
        with self._own_threads(len(batches)) as each:
            for _ in each(run, batches):
                pass
        return unit_rows(out) if self._bert.normalized else out

    def _load(self) -> Transformer:
        tensors = self._read(self._folder)
        try:
            return Transformer(self._torch, self._bert, tensors, self.precision, self.device)
        except KeyError as error:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: {self._folder / 'model.safetensors'} has no tensor "
                f"{error}; its config.json describes another model"
            ) from error

    def _behind(self, vectors: Any) -> Any:
        for weight, bias, tanh in self._dense:
            vectors = self._torch.nn.functional.linear(vectors, weight, bias)
            vectors = vectors.tanh() if tanh else vectors
        return vectors

    @contextmanager
    def _own_threads(self, batches: int) -> Iterator[Any]:
        """A ``map`` over batches: one batch per thread, and one thread per batch.

        Threads that share a matrix product wait for each other at its end, spinning: where another process
        takes one of their cores, all of them stand still. Threads with batches of their own do not wait.
        """
        threads = min(batches, cpu_threads(self.spec.runtime.get("threads")) if self.device == "cpu" else 1)
        alone, before = self._torch.set_num_threads, self._torch.get_num_threads()
        alone(1)
        try:
            if threads <= 1:
                yield map
            else:
                with ThreadPoolExecutor(threads, "samespace-encode", alone, (1,)) as pool:
                    yield pool.map
        except RuntimeError as error:
            if isinstance(error, self._torch.cuda.OutOfMemoryError):
                raise
            if "memory" in str(error).lower():  # torch's CPU allocator raises plain RuntimeError
                raise MemoryError(str(error)) from error
            raise EncoderError(f"samespace: {self.spec.model_id}: torch failed: {error}") from error
        finally:
            alone(before)


def _window(spec: ModelSpec, bert: Bert) -> int:
    wanted = int(spec.identity.get("max_seq_length") or bert.window)
    if wanted > bert.positions:
        raise window_error(spec, wanted, bert.positions)
    return wanted
