"""ONNX graphs of plain text encoders through onnxruntime and tokenizers: a light path without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import Fetched, from_hub, local_path, one_file
from samespace.encoders._tokens import counts, load_tokenizer, token_ids
from samespace.encoders._values import batch_size, checked_values, finished, length_batches
from samespace.encoders._vendor import cpu_threads, vendor
from samespace.encoders.base import Encoder, TokenCounts
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "onnx"
# One fixed window, whatever the tokenizer file says: copies of a tokenizer differ in it, vectors must not.
DEFAULT_WINDOW = 256
_POOLING = ("mean", "cls", "max", "none")
_GRAPHS = ("model.onnx", "onnx/model.onnx", "*.onnx")
_HUB = ("tokenizer.json", "model.onnx", "model.onnx_data", "onnx/model.onnx", "onnx/model.onnx_data")
_CELLS = 16_384
_FATAL_ONLY = 4


class OnnxEncoder(Encoder):
    """Tokens in, one vector per text out: pooled here, or taken as the graph pooled it (``pooling: none``)."""

    engine = "onnxruntime"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        fetched = Fetched(Path()) if spec.load_from is not None else from_hub(spec, _HUB, _EXTRA)
        self.resolved_revision: str | None = fetched.revision
        source = local_path(spec) or fetched.folder
        graph = one_file(source, _GRAPHS, spec, "model")
        self._tokenizer = load_tokenizer(self._tokenizer_file(graph, source), spec, _EXTRA)
        self._window = int(spec.identity.get("max_seq_length") or DEFAULT_WINDOW)
        self._special = self._tokenizer.num_special_tokens_to_add(False)
        if self._window <= self._special:
            raise EncoderError(
                f"samespace: {spec.model_id}: max_seq_length {self._window} leaves no room for text beside "
                f"{self._special} special tokens"
            )
        self._pooling = _pooling(spec)
        self._session = self._open(graph)
        self._inputs = self._graph_inputs()
        self._output = self._choose_output()

    def _tokenizer_file(self, graph: Path, source: Path) -> Path:
        named = local_path(self.spec, "tokenizer") if not isinstance(self.spec.load_from, str) else None
        folder = named or (source if source.is_dir() else graph.parent)
        return one_file(folder, ("tokenizer.json",), self.spec, "tokenizer")

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
        floats = {node.name: len(node.shape) for node in self._session.get_outputs()
                  if node.type in ("tensor(float)", "tensor(float16)")}
        name = self.spec.identity.get("output")
        if name in floats and floats[name] == rank:
            return str(name)
        fitting = [output for output, dimensions in floats.items() if dimensions == rank]
        if name is not None or not fitting:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: pooling '{self._pooling}' needs a {rank}-d output"
                f"{f', but output is {name!r}' if name is not None else ''}. The graph's outputs: "
                f"{', '.join(f'{o} ({d}-d)' for o, d in floats.items())}"
            )
        return fitting[0]

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        import numpy as np

        ids = [self._cut(row) for row in self._ids(checked_values(values, self.spec), role)]
        rows: NDArray[np.float32] | None = None
        for batch in length_batches([len(row) for row in ids], batch_size(self.spec), _CELLS):
            pooled = self._forward([ids[index] for index in batch])
            if rows is None:
                rows = np.zeros((len(ids), pooled.shape[1]), dtype=np.float32)
            rows[batch] = pooled
        return finished(rows, len(ids), self.spec)

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts:
        lengths = [len(row) for row in self._ids(checked_values(values, self.spec), role)]
        return counts([length + self._special for length in lengths], self._window)

    def _ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        prompt = self.spec.prompt(role)
        return token_ids(self._tokenizer, [prompt + text for text in texts], special=False)

    def _cut(self, ids: list[int]) -> list[int]:
        """The ids that fit the window, with the special tokens around them."""
        return ids[: self._window - self._special]

    def _forward(self, batch: Sequence[list[int]]) -> NDArray[np.float32]:
        """Pooled vectors, float32 [len(batch), width], not normalised."""
        import numpy as np

        raise NotImplementedError
