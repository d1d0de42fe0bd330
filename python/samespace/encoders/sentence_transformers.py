"""sentence-transformers models: from the hub, a folder or a package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import cached_revision, hub_error, local_path
from samespace.encoders._tokens import counts, token_ids, unlimited
from samespace.encoders._values import (
    batch_size,
    checked_values,
    dimension_error,
    finished,
    prompt_notes,
    window_error,
)
from samespace.encoders._vendor import cpu_threads, quiet, vendor
from samespace.encoders.base import Encoder, TokenCounts
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "sentence-transformers"


class SentenceTransformersEncoder(Encoder):
    """SentenceTransformer.encode in fp32: modules of the model -> truncate -> normalise.

    Only the spec's prompts are used. Those a model ships are part of nobody's model_id; where there are
    some that the spec does not mention, ``notes`` says so.
    """

    engine = "torch"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        local = local_path(spec)  # before the import of some seconds: a wrong path is told at once
        library = vendor("sentence_transformers", _EXTRA, spec.model_id)
        self._torch = vendor("torch", _EXTRA, spec.model_id)
        self._threads = cpu_threads(spec.runtime.get("threads"))
        self._torch.set_num_threads(self._threads)
        vendor("transformers", _EXTRA, spec.model_id).utils.logging.disable_progress_bar()
        self.device = self._choose_device()
        self._model = self._load(library, local)
        self.resolved_revision = cached_revision(spec, "config.json") if spec.load_from is None else None
        self._set_window()
        self._check_dimension()
        self._counter = self._token_counter()
        self.notes = prompt_notes(spec, getattr(self._model, "prompts", None) or {})

    def _load(self, library: Any, local: Path | None) -> Any:
        try:
            model = library.SentenceTransformer(
                str(local or self.spec.identity["model"]), device=self.device,
                revision=self.spec.identity.get("revision") if local is None else None,
                trust_remote_code=self.spec.trust_remote_code, local_files_only=local is not None,
            )
        except (OSError, ValueError) as error:
            if local is None:
                raise hub_error(self.spec, error) from error
            raise EncoderError(
                f"samespace: {self.spec.model_id}: {local} is not a folder that sentence-transformers can "
                "load: "
                f"{error}"
            ) from error
        # transformers 5 keeps the dtype of the checkpoint; the reference is fp32
        return model.float().eval()

    def _choose_device(self) -> str:
        wanted = str(self.spec.runtime.get("device") or "auto")
        kind = wanted.partition(":")[0]
        available = {
            "cuda": self._torch.cuda.is_available(),
            "mps": self._torch.backends.mps.is_available(),
            "cpu": True,
        }
        if kind == "auto":
            return next(device for device, there in available.items() if there)
        if kind not in available:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: runtime.device must be auto, cpu, cuda or mps, not "
                f"'{wanted}'"
            )
        if not available[kind]:
            raise EncoderError(
                f"samespace: {self.spec.model_id}: runtime.device is '{wanted}', but torch finds no such "
                "device "
                "here. Use device: auto to take what there is"
            )
        return wanted

    def _set_window(self) -> None:
        wanted = self.spec.identity.get("max_seq_length")
        if wanted is None:
            return
        config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
        positions = getattr(config, "max_position_embeddings", None)
        if isinstance(positions, int) and 0 < positions < int(wanted):
            raise window_error(self.spec, int(wanted), positions)
        self._model.max_seq_length = int(wanted)

    def _check_dimension(self) -> None:
        get = getattr(self._model, "get_embedding_dimension", None)
        width = get() if get else self._model.get_sentence_embedding_dimension()
        if width is None:
            return
        kept = min(int(self.spec.identity.get("truncate_dimension") or width), int(width))
        if kept != self.spec.dimension:
            raise dimension_error(self.spec, kept)

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        texts = checked_values(values, self.spec)
        if not texts:
            return finished([], 0, self.spec)
        return finished(self._forward(texts, self.spec.prompt(role)), len(texts), self.spec)

    def _forward(self, texts: list[str], prompt: str) -> Any:
        """The model's vectors, float32 [n, width], before truncation. The seam for faster engines.

        The library sorts by length, pads per batch and runs in inference mode.
        """
        quiet()
        if self._torch.get_num_threads() != self._threads:
            self._torch.set_num_threads(self._threads)
        try:
            return self._model.encode(
                texts, prompt=prompt, batch_size=batch_size(self.spec), show_progress_bar=False,
                convert_to_numpy=True, normalize_embeddings=False,
            )
        except RuntimeError as error:
            if isinstance(error, self._torch.cuda.OutOfMemoryError):
                raise
            if "memory" in str(error).lower():  # torch's CPU and MPS allocators raise plain RuntimeError
                raise MemoryError(str(error)) from error
            raise EncoderError(f"samespace: {self.spec.model_id}: torch failed: {error}") from error

    def _token_counter(self) -> Any:
        """A copy of the fast tokenizer that neither pads nor cuts; None for slow tokenizers."""
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        return None if backend is None else unlimited(type(backend).from_str(backend.to_str()))

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts | None:
        prompt = self.spec.prompt(role)
        texts = [prompt + text for text in checked_values(values, self.spec)]
        if self._counter is not None:
            ids = token_ids(self._counter, texts, special=True)
        elif callable(self._model.tokenizer):
            ids = self._model.tokenizer(texts, truncation=False, verbose=False)["input_ids"] if texts else []
        else:
            return None
        window = self._model.max_seq_length
        known = window is not None and window < 10**9  # "no limit" is inf or a huge number
        return counts([len(row) for row in ids], int(window) if known else None)
