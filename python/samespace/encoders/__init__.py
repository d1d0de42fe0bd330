"""Encoders: one file per provider, loaded only when a vector is really needed."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from samespace.encoders.base import Encoder, TokenCounts
from samespace.errors import EncoderError, SamespaceError
from samespace.spec import ModelSpec

__all__ = ["ENTRY_POINT_GROUP", "PROVIDERS", "Encoder", "TokenCounts", "load_encoder", "provider_names"]

ENTRY_POINT_GROUP = "samespace.encoders"
PROVIDERS: dict[str, str] = {
    "hashing": "samespace.encoders.hashing:HashingEncoder",
    "onnx": "samespace.encoders.onnx:OnnxEncoder",
    "sentence-transformers": "samespace.encoders.engines:open_sentence_encoder",
    "static": "samespace.encoders.static:StaticEncoder",
    "word-vectors": "samespace.encoders.word_vectors:WordVectorsEncoder",
}


def provider_names() -> list[str]:
    """Names of all providers that can be loaded here, ours and those of installed packages, sorted."""
    return sorted({*PROVIDERS, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def load_encoder(spec: ModelSpec) -> Encoder:
    """Load a model's weights. Unverified: everything but the canary gate goes through ``canaries``.

    Raises EncoderError (unknown provider, weights that are absent or do not fit the spec) and
    MissingDependencyError (naming the pip line). Memory errors pass.
    """
    factory = _factory(spec)
    try:
        encoder = factory(spec)
    except (SamespaceError, MemoryError):
        raise
    except Exception as error:  # the border to vendors' and third parties' code
        raise EncoderError(
            f"samespace: {spec.model_id}: provider '{spec.provider}' could not load "
            f"'{spec.identity.get('model')}': {type(error).__name__}: {error}"
        ) from error
    if not isinstance(encoder, Encoder):
        raise EncoderError(
            f"samespace: {spec.model_id}: provider '{spec.provider}' returned a {type(encoder).__name__}. "
            "A provider is a subclass of samespace.encoders.Encoder"
        )
    return encoder


def _factory(spec: ModelSpec) -> Any:
    if spec.provider in PROVIDERS:
        module, name = PROVIDERS[spec.provider].split(":")
        return getattr(import_module(module), name)
    for point in entry_points(group=ENTRY_POINT_GROUP, name=spec.provider):
        return _third_party(point, spec)
    raise EncoderError(
        f"samespace: {spec.model_id}: unknown provider '{spec.provider}'. Known: "
        f"{', '.join(provider_names())}. "
        f"Further ones come with packages that declare the entry point group '{ENTRY_POINT_GROUP}'"
    )


def _third_party(point: EntryPoint, spec: ModelSpec) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        owner = point.dist.name if point.dist else point.value
        raise EncoderError(
            f"samespace: {spec.model_id}: provider '{spec.provider}' of the package '{owner}' cannot be "
            f"imported ({point.value}): {error}"
        ) from error
