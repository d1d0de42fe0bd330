"""Which engine computes a sentence-transformers model: ours where the model is plain, else that library."""

from __future__ import annotations

from pathlib import Path

from samespace.encoders._bert import FILES, NotPlainError, read_bert
from samespace.encoders._locations import Source, model_source
from samespace.encoders._precision import wanted_precision
from samespace.encoders.base import Encoder
from samespace.errors import EncoderError
from samespace.spec import ModelSpec

_ENGINES = ("auto", "packed", "sentence-transformers")
_EXTRA = "packed"


def open_sentence_encoder(spec: ModelSpec) -> Encoder:
    """The encoder of a model of provider ``sentence-transformers``, with the engine ``runtime.engine`` names.

    ``auto`` takes ``packed`` for BERT-like models on the CPU or CUDA, and the library for all others.
    Raises EncoderError where a named engine cannot compute the model.
    """
    wanted = str(spec.runtime.get("engine") or "auto")
    if wanted not in _ENGINES:
        raise EncoderError(
            f"samespace: {spec.model_id}: runtime.engine must be one of {', '.join(_ENGINES)}, not '{wanted}'"
        )
    if wanted == "sentence-transformers":
        return _library(spec)
    try:
        return _packed(spec)
    except NotPlainError as reason:
        if wanted == "packed":
            raise EncoderError(
                f"samespace: {spec.model_id}: runtime.engine 'packed' cannot compute this model: {reason}. "
                "Use engine: auto, which takes sentence-transformers for it"
            ) from reason
    return _library(spec)


def _packed(spec: ModelSpec) -> Encoder:
    from samespace.encoders.packed import PackedEncoder

    if spec.trust_remote_code:
        raise NotPlainError("trust_remote_code is on, so its own code decides")
    source = _source(spec)
    return PackedEncoder(spec, source.path, read_bert(source.path), source.revision)


def _source(spec: ModelSpec) -> Source:
    source = model_source(spec, FILES, _EXTRA)
    if not Path(source.path).is_dir():
        raise NotPlainError(f"{source.path} is not a folder")
    return source


def _library(spec: ModelSpec) -> Encoder:
    from samespace.encoders.sentence_transformers import SentenceTransformersEncoder

    if wanted_precision(spec) == "bf16":
        raise EncoderError(
            f"samespace: {spec.model_id}: runtime.precision 'bf16' is for the engine 'packed'; "
            "sentence-transformers computes this model in fp32"
        )
    return SentenceTransformersEncoder(spec)
