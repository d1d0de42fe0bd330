"""The packed engine: its arithmetic against sentence-transformers, its packing, and when it steps aside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_models import BERT_TOKENIZER, MINILM, minilm, package_path, spec
from hypothesis import given
from hypothesis import strategies as st
from samespace.encoders import Encoder, load_encoder
from samespace.encoders._packing import filled_bins, packed
from samespace.encoders.packed import PackedEncoder
from samespace.errors import EncoderError

TEXTS = [
    "The cat sits outside", "", " ", "invoice 4711 is overdue since the 3rd of March", "Žluťoučký kůň", "ok",
    "😀", "日本語 und Deutsch", "word " * 400, "cannot log in " * 60, "a\0b", "please " * 31, "short again",
]


def by(engine: str, folder: Path, dimension: int = 384, precision: str = "fp32", **identity: Any) -> Encoder:
    runtime = {"engine": engine, "precision": precision}
    return load_encoder(spec("sentence-transformers", dimension, str(folder), runtime, **identity))


def same_vectors(folder: Path, dimension: int = 384, **identity: Any) -> None:
    expected = by("sentence-transformers", folder, dimension, **identity).encode(TEXTS, "query")
    ours = by("packed", folder, dimension, **identity)
    vectors, counted = ours.encode_counted(TEXTS, "query")
    assert np.abs(vectors - expected).max() < 1e-5
    library = by("sentence-transformers", folder, dimension, **identity).token_counts(TEXTS, "query")
    assert library is not None and counted is not None and counted.window == library.window
    assert np.array_equal(counted.tokens, library.tokens)
    assert np.array_equal(counted.truncated, library.truncated)


@pytest.fixture
def copied(tmp_path: Path) -> Callable[..., Path]:
    """A copy of MiniLM's folder, with changed JSON files."""

    def copy(**changes: Callable[[Any], Any]) -> Path:
        shutil.copytree(package_path(MINILM), tmp_path / "model")
        for name, change in changes.items():
            file = tmp_path / "model" / {"pooling": "1_Pooling/config"}.get(name, name)
            file = file.with_suffix(".json")
            file.write_text(json.dumps(change(json.loads(file.read_text()))))
        return tmp_path / "model"

    return copy


def with_cls(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


def with_max(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}


@pytest.mark.real_model
@pytest.mark.parametrize("identity", [
    {}, {"prompts": {"query": "find: "}}, {"max_seq_length": 40}, {"max_seq_length": 512},
    {"dimension": 100, "truncate_dimension": 100}, {"normalize": False},
], ids=str)  # fmt: skip
def test_minilm(identity: dict[str, Any]) -> None:
    same_vectors(package_path(MINILM), **identity)


@pytest.mark.real_model
def test_cls_pooling_without_a_normalize_module(copied: Callable[..., Path]) -> None:
    folder = copied(pooling=with_cls, modules=lambda modules: modules[:2])
    same_vectors(folder)
    same_vectors(folder, normalize=False)


@pytest.mark.real_model
def test_a_window_from_the_tokenizer(copied: Callable[..., Path]) -> None:
    def short(config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "model_max_length": 77}

    folder = copied(sentence_bert_config=lambda config: {}, tokenizer_config=short)
    same_vectors(folder)


@pytest.mark.real_model
def test_what_sentence_transformers_saves_with_a_dense_layer(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense

    model = SentenceTransformer(str(package_path(MINILM)), device="cpu")
    torch.manual_seed(1)
    modules = [*list(model)[:2], Dense(384, 48), model[2]]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path))
    same_vectors(tmp_path, 48)


@pytest.mark.real_model
@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "distilbert", "bert"])
def test_other_families(kind: str, tmp_path: Path) -> None:
    """Small models with random weights and MiniLM's vocabulary, saved by the library itself."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import AutoConfig, AutoModel

    names = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    if kind == "distilbert":
        names = {"dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 96}
    config = AutoConfig.for_model(kind, vocab_size=30522, pad_token_id=0, initializer_range=0.3, **names)
    torch.manual_seed(2)
    AutoModel.from_config(config).save_pretrained(tmp_path / "made")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "made" / file).write_bytes((package_path(BERT_TOKENIZER).parent / file).read_bytes())
    transformer = Transformer(str(tmp_path / "made"), max_seq_length=128)
    SentenceTransformer(modules=[transformer, Pooling(48)], device="cpu").save(str(tmp_path / "saved"))
    # every family with the word pieces that the library itself takes from the file
    same_vectors(tmp_path / "saved", 48)


@pytest.mark.real_model
def test_bf16_is_close_and_batches_do_not_matter() -> None:
    folder = package_path(MINILM)
    exact, fast = by("packed", folder), by("packed", folder, precision="bf16")
    assert (exact.engine, exact.precision, fast.precision) == ("packed", "fp32", "bf16")
    texts = [*TEXTS, *(f"ticket {n}: " + "again " * (n % 60) for n in range(300))]
    together, reference = fast.encode(texts), exact.encode(texts)
    assert (together * reference).sum(axis=1).min() >= 0.9999
    alone = np.vstack([fast.encode([text]) for text in texts[:30]])
    assert (alone * together[:30]).sum(axis=1).min() >= 0.99999
    assert np.array_equal(together, fast.encode(texts)), "whichever thread takes which batch"


@pytest.mark.real_model
def test_one_thread_and_many_give_the_same_vectors() -> None:
    def encoded(threads: int) -> np.ndarray:
        runtime = {"threads": threads, "batch_size": 4}
        return load_encoder(replace(minilm(), runtime=runtime)).encode(TEXTS * 5)

    assert np.array_equal(encoded(1), encoded(3))


@pytest.mark.real_model
def test_torch_keeps_the_threads_it_had() -> None:
    import torch

    before = torch.get_num_threads()
    load_encoder(minilm()).encode(TEXTS)
    assert torch.get_num_threads() == before


@pytest.mark.real_model
@pytest.mark.parametrize(("changes", "reason"), [
    ({"pooling": with_max}, "its pooling is pooling_mode_max_tokens"),
    ({"config": lambda config: {**config, "hidden_act": "relu"}}, "its activation is 'relu'"),
    ({"config": lambda config: {**config, "model_type": "modernbert"}}, "its model_type is 'modernbert'"),
    ({"config": lambda config: {**config, "position_embedding_type": "relative_key"}}, "relative"),
    ({"sentence_bert_config": lambda config: {**config, "do_lower_case": True}}, "lower-cased"),
    ({"modules": lambda modules: [*modules, {**modules[1], "type": "some.Other"}]}, "its modules are"),
])  # fmt: skip
def test_models_it_leaves_to_the_library(copied: Callable[..., Path], changes: Any, reason: str) -> None:
    folder = copied(**changes)
    with pytest.raises(EncoderError, match=f"'packed' cannot compute this model: .*{reason}.*engine: auto"):
        by("packed", folder)
    if "pooling" in changes:
        assert by("auto", folder).engine == "torch"


@pytest.mark.parametrize(("runtime", "says"), [
    ({"engine": "fast"}, "runtime.engine must be one of auto, packed, sentence-transformers, not 'fast'"),
    ({"precision": "int8"}, "runtime.precision must be one of auto, fp32, bf16, not 'int8'"),
    ({"engine": "sentence-transformers", "precision": "bf16"}, "'bf16' is for the engine 'packed'"),
])  # fmt: skip
def test_settings_that_are_none(runtime: dict[str, str], says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(replace(minilm(), runtime=runtime))


def test_a_processor_without_the_units_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESPACE_NO_BF16", "1")
    assert load_encoder(minilm()).precision == "fp32"


def test_no_memory_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(minilm())
    assert isinstance(encoder, PackedEncoder)

    def full(batch: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(encoder._model, "vectors", full)
    for texts in (["one"], TEXTS * 300):
        with pytest.raises(MemoryError):
            encoder.encode(texts)


@given(st.lists(st.integers(1, 512), min_size=1, max_size=120), st.integers(1, 5000))
def test_every_token_is_in_one_place(lengths: list[int], budget: int) -> None:
    rows = [[10 * number + at % 7 + 1 for at in range(length)] for number, length in enumerate(lengths)]
    seen = []
    for batch in packed(rows, budget):
        bins, width = batch.segments.shape
        assert bins == 1 or bins * width <= budget
        segments = batch.segments.ravel()
        assert (segments > 0).sum() == len(batch.places) == len(set(batch.places.tolist()))
        bounds = [*batch.firsts.tolist(), len(batch.places)]
        for number, text in enumerate(batch.texts.tolist()):
            places = batch.places[bounds[number] : bounds[number + 1]]
            assert places[0] == batch.starts[number] and places[0] // width == places[-1] // width
            assert batch.ids[places].tolist() == rows[text]
            assert batch.positions[places].tolist() == list(range(len(rows[text])))
            assert len(set(segments[places].tolist())) == 1
            seen.append(text)
    assert sorted(seen) == list(range(len(rows)))


def test_bins_are_nearly_full() -> None:
    lengths = np.random.default_rng(1).integers(5, 33, 2000).tolist()
    assert sum(lengths) / (64 * len(filled_bins(lengths, 64))) > 0.97
