"""ONNX graphs of plain text encoders through onnxruntime and tokenizers: a light path without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import model_source, one_file, part_path
from samespace.encoders._token_encoder import TokenEncoder
from samespace.encoders._tokens import Tokens, load_tokenizer
from samespace.encoders._values import batch_size, dimension_error, length_batches
from samespace.encoders._vendor import cpu_threads, vendor
from samespace.errors import EncoderError
from samespace.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "onnx"
# One fixed window, whatever the tokenizer file says: copies of a tokenizer differ in it, vectors must not.
DEFAULT_WINDOW = 256
_POOLING = ("mean", "cls", "max", "none")
_GRAPHS = ("model.onnx", "onnx/model.onnx", "*.onnx")
_TOKENIZER = ("tokenizer.json", "../tokenizer.json")
_HUB = ("tokenizer.json", "model.onnx", "model.onnx_data", "onnx/model.onnx", "onnx/model.onnx_data")
_ROWS, _CELLS = 32, 4_096
_FATAL_ONLY = 4


class OnnxEncoder(TokenEncoder):
    """Tokens in, a vector per text out: pooled here, or taken as the graph pooled it (``pooling: none``)."""

    engine = "onnxruntime"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        source = model_source(spec, _HUB, _EXTRA)
        self.resolved_revision: str | None = source.revision
        graph = one_file(source.path, _GRAPHS, spec, "model")
        tokenizer = one_file(part_path(spec, "tokenizer", source.path), _TOKENIZER, spec, "tokenizer")
        self._tokens = Tokens(load_tokenizer(tokenizer, spec, _EXTRA), spec)
        self._window = self._tokens.check(int(spec.identity.get("max_seq_length") or DEFAULT_WINDOW))
        self._pooling = _pooling(spec)
        self._session = self._open(graph)
        self._inputs = self._graph_inputs()
        self._output = self._choose_output()

    def _open(self, graph: Path) -> Any:
        runtime = vendor("onnxruntime", _EXTRA, self.spec.model_id)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = cpu_threads(self.spec.runtime.get("threads"))
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        try:
            return runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own C++ types, derived from Exception
            raise EncoderError(
                f"samespace: {self.spec.model_id}: onnxruntime cannot open {graph}: {error}"
            ) from error

    def _graph_inputs(self) -> dict[str, Any]:
        """Name -> integer dtype of the inputs the graph wants. EncoderError for one we cannot feed."""
        import numpy as np

        known = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
        wanted = {node.name: np.int32 if node.type == "tensor(int32)" else np.int64
                  for node in self._session.get_inputs()}
        foreign = [name for name in wanted if name not in known]
        if foreign or "input_ids" not in wanted:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: the graph wants the inputs {', '.join(wanted)}; "
                f"provider 'onnx' feeds {', '.join(known)}. Is this a text encoder?"
            )
        return wanted

    def _choose_output(self) -> str:
        rank = 2 if self._pooling == "none" else 3
        floats: dict[str, int] = {node.name: len(node.shape) for node in self._session.get_outputs()
                  if node.type in ("tensor(float)", "tensor(float16)")}
        name = self.spec.identity.get("output")
        fitting: list[str] = [output for output, dimensions in floats.items()
                   if dimensions == rank and name in (None, output)]
        if not fitting:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: pooling '{self._pooling}' needs a {rank}-d output"
                f"{f', but output is {name!r}' if name is not None else ''}. The graph's outputs: "
                f"{', '.join(f'{o} ({d}-d)' for o, d in floats.items())}"
            )
        return fitting[0]

    def _forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        import numpy as np

        out = np.zeros((len(rows), self.spec.dimension), dtype=np.float32)
        for batch in length_batches([len(row) for row in rows], batch_size(self.spec, _ROWS), _CELLS):
            out[batch] = self._batch([rows[index] for index in batch])
        return out

    def _batch(self, batch: Sequence[list[int]]) -> NDArray[np.float32]:
        """Pooled vectors, float32 [len(batch), dimension], not normalised."""
        feed, mask = _padded(batch, self._inputs)
        try:
            (output,) = self._session.run([self._output], feed)
        except Exception as error:  # onnxruntime raises its own C++ types, derived from Exception
            if "alloc" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise EncoderError(
                f"samespace: {self.spec.model_id}: onnxruntime failed on texts of up to {mask.shape[1]} "
                "tokens: "
                f"{error}. If the graph reads fewer tokens, set max_seq_length"
            ) from error
        pooled = _pool(output.astype("float32", copy=False), mask, self._pooling)
        if pooled.shape[1] != self.spec.dimension:
            raise dimension_error(self.spec, pooled.shape[1])
        return pooled


def _pooling(spec: ModelSpec) -> str:
    pooling = str(spec.identity.get("pooling") or "mean")
    if pooling not in _POOLING:
        raise EncoderError(
            f"samespace: {spec.model_id}: pooling must be one of {', '.join(_POOLING)}, not '{pooling}'"
        )
    return pooling


def _padded(
    batch: Sequence[list[int]], inputs: Mapping[str, Any]
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """The graph's inputs and the mask (1 = token), each int [len(batch), longest]."""
    import numpy as np

    longest = max(len(row) for row in batch)
    mask = np.zeros((len(batch), longest), dtype=np.int64)
    ids = np.zeros_like(mask)
    for index, row in enumerate(batch):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    position = np.broadcast_to(np.arange(longest), mask.shape)
    all_inputs = {
        "input_ids": ids, "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask), "position_ids": position,
    }
    return {name: np.ascontiguousarray(all_inputs[name], dtype=kind) for name, kind in inputs.items()}, mask


def _pool(output: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> NDArray[np.float32]:
    """[n, tokens, d] -> [n, d]; an output that is [n, d] already is returned as it is."""
    import numpy as np

    if pooling == "none":
        return output
    if pooling == "cls":
        return output[:, 0]
    real = mask[:, :, None].astype(np.float32)
    if pooling == "max":
        return np.asarray(np.where(real > 0, output, -np.inf).max(axis=1), dtype=np.float32)
    return np.asarray((output * real).sum(axis=1) / real.sum(axis=1), dtype=np.float32)
