"""Each provider against the library or the arithmetic it stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_models import (
    BERT_TOKENIZER,
    MINILM,
    PARAPHRASE,
    WORDLLAMA,
    WORDLLAMA_TOKENIZER,
    minilm,
    package_path,
    paraphrase,
    spec,
    token_matrix,
    wordllama,
    write_static_model,
)
from samespace.encoders import Encoder, load_encoder
from samespace.encoders.onnx import _pool
from samespace.errors import EncoderError

pytestmark = pytest.mark.real_model

TEXTS = [
    "The cat sits outside", "invoice 4711 is overdue since the 3rd of March", "Žluťoučký kůň",
    "cannot log in " * 60, "ok", "日本語 und Deutsch",
]


@pytest.fixture(scope="module")
def sentence_transformer() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(package_path(MINILM)), device="cpu")


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# Engine and precision of a MiniLM, and how far a number of a vector may be from the library's.
COMPUTED = [("sentence-transformers", "fp32", 1e-6), ("packed", "fp32", 1e-5), ("packed", "bf16", 5e-3)]


def computed(engine: str, precision: str, **identity: Any) -> Encoder:
    return load_encoder(replace(minilm(**identity), runtime={"engine": engine, "precision": precision}))


@pytest.mark.parametrize(("engine", "precision", "far"), COMPUTED)
def test_minilm_is_plain_sentence_transformers(
    sentence_transformer: Any, engine: str, precision: str, far: float
) -> None:
    expected = sentence_transformer.encode(TEXTS, normalize_embeddings=True)
    assert np.abs(computed(engine, precision).encode(TEXTS) - expected).max() < far


@pytest.mark.parametrize(("engine", "precision", "far"), COMPUTED)
def test_minilm_with_prompt_and_window_is_plain_sentence_transformers(
    sentence_transformer: Any, engine: str, precision: str, far: float
) -> None:
    encoder = computed(engine, precision, max_seq_length=20, prompts={"query": "find: "})
    ours = encoder.encode(TEXTS, "query")
    before = sentence_transformer.max_seq_length
    sentence_transformer.max_seq_length = 20
    try:
        expected = sentence_transformer.encode(TEXTS, prompt="find: ")
    finally:
        sentence_transformer.max_seq_length = before
    assert np.abs(ours - expected).max() < far


@pytest.mark.parametrize(("engine", "precision", "far"), COMPUTED)
def test_minilm_is_the_transformer_with_mean_pooling(engine: str, precision: str, far: float) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = package_path(MINILM)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    expected = []
    for text in TEXTS[:4]:
        tokens = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            expected.append(model(**tokens).last_hidden_state[0].mean(dim=0).float().numpy())
    ours = computed(engine, precision).encode(TEXTS[:4])
    assert np.abs(ours - unit(np.stack(expected))).max() < max(far, 1e-5)


def onnx_reference(texts: list[str], window: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Token vectors [tokens, 384] and the graph's own pooled vector per text, one text at a time."""
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(str(package_path(PARAPHRASE)), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(package_path(BERT_TOKENIZER)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(window)
    states, pooled = [], []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        found = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        states.append(found[2][0])
        pooled.append(found[3][0])
    return states, pooled


def test_onnx_pooling_is_that_of_the_graph_by_hand() -> None:
    states, pooled = onnx_reference(TEXTS, 128)
    expected = {
        "mean": [state.mean(axis=0) for state in states], "cls": [state[0] for state in states],
        "max": [state.max(axis=0) for state in states], "none": pooled,
    }
    for pooling, rows in expected.items():
        ours = load_encoder(paraphrase(pooling=pooling)).encode(TEXTS)
        assert np.abs(ours - unit(np.stack(rows))).max() < 1e-5, pooling
    assert np.abs(np.stack(expected["mean"]) - np.stack(pooled)).max() < 1e-5


def test_onnx_output_by_name_and_what_does_not_fit() -> None:
    named = load_encoder(paraphrase(output="onnx::Shape_422")).encode(TEXTS)
    assert np.array_equal(named, load_encoder(paraphrase()).encode(TEXTS))
    for identity in ({"output": "461"}, {"output": "nope"}, {"output": "onnx::Shape_422", "pooling": "none"}):
        with pytest.raises(EncoderError, match="The graph's outputs: onnx::Shape_422"):
            load_encoder(paraphrase(**identity))
    with pytest.raises(EncoderError, match="pooling must be one of"):
        load_encoder(paraphrase(pooling="sum"))


def test_onnx_window_longer_than_the_graph_reads_is_an_error_with_the_way_out() -> None:
    encoder = load_encoder(paraphrase(max_seq_length=600))
    with pytest.raises(EncoderError, match="set max_seq_length"):
        encoder.encode(["word " * 700])


def test_onnx_is_another_space_than_minilm_of_the_same_dimension() -> None:
    left, right = load_encoder(minilm()).encode(TEXTS), load_encoder(paraphrase()).encode(TEXTS)
    assert left.shape == right.shape
    assert np.abs((left * right).sum(axis=1)).max() < 0.5


def test_pooling_ignores_padding() -> None:
    output = np.array([[[1.0, -1.0], [3.0, -3.0], [99.0, 99.0]]], dtype=np.float32)
    mask = np.array([[1, 1, 0]])
    assert _pool(output, mask, "mean").tolist() == [[2.0, -2.0]]
    assert _pool(output, mask, "max").tolist() == [[3.0, -1.0]]
    assert _pool(output, mask, "cls").tolist() == [[1.0, -1.0]]


def static_variants() -> dict[str, dict[str, np.ndarray]]:
    matrix, generator = token_matrix(), np.random.default_rng(3)
    return {
        "plain": {"embeddings": matrix},
        "weighted": {"embeddings": matrix, "weights": generator.random(len(matrix)).astype(np.float32)},
        "quantised": {
            "embeddings": matrix[:500], "mapping": generator.integers(0, 500, len(matrix)),
            "weights": generator.random(len(matrix)).astype(np.float32),
        },
        "float16": {"embeddings": matrix.astype(np.float16)},
        "int8": {"embeddings": (matrix * 30).clip(-127, 127).astype(np.int8)},
    }


@pytest.mark.parametrize("name", static_variants())
def test_static_is_model2vec(tmp_path: Path, name: str) -> None:
    from model2vec import StaticModel

    folder = write_static_model(tmp_path / name, static_variants()[name])
    expected = StaticModel.from_pretrained(folder).encode(TEXTS, normalize=False).astype(np.float32)
    ours = load_encoder(spec("static", 32, str(folder), normalize=False)).encode(TEXTS)
    assert np.abs(ours - expected).max() < (2e-3 if name == "float16" else 1e-5)


def test_static_skips_unknown_tokens_as_model2vec_does(tmp_path: Path) -> None:
    folder = write_static_model(tmp_path, {"embeddings": token_matrix()})
    encoder = load_encoder(spec("static", 32, str(folder)))
    known, mixed, unknown = encoder.encode(["good morning", "good 😀 morning 🛸", "😀"])
    assert np.array_equal(known, mixed)
    assert not unknown.any(), "no token left: a missing vector"
    assert encoder.allows_missing


def test_static_is_sentence_transformers_static_embedding(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(package_path(BERT_TOKENIZER)))
    tokenizer.no_truncation()
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, token_matrix())], device="cpu")
    texts = [*TEXTS, "an unknown 😀 takes part here"]
    model.save(str(tmp_path))
    ours = load_encoder(spec("static", 32, str(tmp_path), prompts={"query": "q: "}))
    expected = model.encode(texts, normalize_embeddings=True)
    assert np.abs(ours.encode(texts) - expected).max() < 1e-6
    asked = model.encode(texts, prompt="q: ", normalize_embeddings=True)
    assert np.abs(ours.encode(texts, "query") - asked).max() < 1e-6


def test_static_is_wordllama() -> None:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
    from wordllama.inference import WordLlamaInference

    matrix = load_file(package_path(WORDLLAMA))["embedding.weight"]
    model = WordLlamaInference(matrix, Tokenizer.from_file(str(package_path(WORDLLAMA_TOKENIZER))))
    # their loader sets the tokenizer to add no special token, as ours does
    expected = model.embed(TEXTS, norm=True)
    assert np.abs(load_encoder(wordllama()).encode(TEXTS) - expected).max() < 1e-5


def test_static_mean_of_a_very_long_text(tmp_path: Path) -> None:
    folder = write_static_model(tmp_path, {"embedding.weight": token_matrix()})
    encoder = load_encoder(spec("static", 32, str(folder)))
    once, often = encoder.encode(["good morning world", "good morning world " * 30_000])
    assert once @ often >= 0.999999
