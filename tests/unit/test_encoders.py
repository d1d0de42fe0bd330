"""The contract every provider keeps, tried on real weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from encoder_models import PACKAGES, PROVIDERS, glove, hashing, installed, minilm, paraphrase, wordllama
from samespace.encoders import Encoder, _tokens, load_encoder
from samespace.encoders._tokens import token_ids
from samespace.encoders._values import RejectedValueError
from samespace.errors import EncoderError
from samespace.spec import ModelSpec

pytestmark = pytest.mark.real_model

TEXTS = [
    "The cat sits outside", "A cat is sitting outdoors", "The invoice from March is overdue",
    "Please reset my password, I cannot log in", "I can't sign in to my account",
    "How do I export the report as a spreadsheet?", "word " * 400, "short",
]
ODD = [
    "", " ", "\t\n", "😀", "👩‍👩‍👧‍👦 🇩🇪", "a\0b", "\0", "שלום עולם", "مرحبا", "日本語のテキスト",
    "e\u0301", "\u200b", "\ufffd", "...",
]
HUGE = "the quick brown fox jumps over " * 33_000  # a megabyte


@pytest.fixture(scope="module", params=[*sorted(PROVIDERS), "library"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Every provider as it comes, and the engine that ``auto`` does not take for MiniLM."""
    if request.param == "library":
        return load_encoder(dataclasses.replace(minilm(), runtime={"engine": "sentence-transformers"}))
    package = PACKAGES.get(request.param)
    if package and not installed(package):
        pytest.skip(f"the package with weights '{package}' is not installed")
    return load_encoder(PROVIDERS[request.param]())


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine per row; 1 where both rows are zeros (a missing vector equals a missing vector)."""
    dots, norms = (left * right).sum(axis=1), np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    missing = ~left.any(axis=1) & ~right.any(axis=1)
    return np.where(missing, 1.0, dots / np.where(norms == 0, 1, norms))


def test_shape_dtype_layout_and_length(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.spec.dimension)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous and vectors.flags.writeable
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_empty_list(encoder: Encoder) -> None:
    vectors = encoder.encode([])
    assert vectors.shape == (0, encoder.spec.dimension) and vectors.dtype == np.float32
    counted = encoder.token_counts([])
    assert counted is None or len(counted.tokens) == 0


def test_same_call_same_vectors(encoder: Encoder) -> None:
    assert np.array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))


def test_order_and_batch_do_not_matter(encoder: Encoder) -> None:
    values = TEXTS + ODD + [f"ticket {n}: " + "again " * (n % 17) for n in range(40)]
    together = encoder.encode(values)
    order = np.random.default_rng(1).permutation(len(values))
    shuffled = encoder.encode([values[position] for position in order])
    assert cosines(together[order], shuffled).min() >= 0.99999
    alone = np.vstack([encoder.encode([value]) for value in values[:20]])
    assert cosines(together[:20], alone).min() >= 0.99999


def test_a_repeated_value_has_one_vector(encoder: Encoder) -> None:
    first, _, again = encoder.encode(["reset my password", "word " * 90, "reset my password"])
    assert cosines(first[None], again[None])[0] >= 0.999999


def test_odd_values_have_finite_vectors(encoder: Encoder) -> None:
    vectors = encoder.encode([*ODD, HUGE, "plain"])
    assert np.isfinite(vectors).all()
    norms = np.linalg.norm(vectors, axis=1)
    missing = norms == 0
    assert encoder.allows_missing or not missing.any()
    assert np.abs(norms[~missing] - 1).max() < 1e-5
    assert not missing[-2:].any()


@pytest.mark.parametrize(("bad", "at"), [("\ud800", 2), ("ok \udfff", 0), (None, 1), (b"bytes", 1), (3, 0)])
def test_a_value_that_is_no_text_is_named(encoder: Encoder, bad: object, at: int) -> None:
    values: list[object] = ["one", "two", "three"]
    values[at] = bad
    with pytest.raises(RejectedValueError, match=f"value {at} ") as raised:
        encoder.encode(values)  # type: ignore[arg-type]
    assert raised.value.index == at and isinstance(raised.value, EncoderError)


def test_paraphrases_are_closer_than_strangers(encoder: Encoder) -> None:
    # character n-grams know typos, not meaning
    similar = "A catt sits outsid" if encoder.spec.provider == "hashing" else TEXTS[1]
    vectors = encoder.encode([TEXTS[0], similar, TEXTS[2]])
    scores = vectors @ vectors.T
    assert scores[0, 1] > scores[0, 2]


def test_roles_differ_only_by_prompt(encoder: Encoder) -> None:
    plain = encoder.encode(TEXTS[:4])
    assert np.array_equal(plain, encoder.encode(TEXTS[:4], "query"))
    if encoder.spec.provider in ("hashing", "word-vectors"):
        return
    identity = {**encoder.spec.identity, "prompts": {"query": "query: ", "document": ""}}
    prompted = load_encoder(dataclasses.replace(encoder.spec, identity=identity))
    assert cosines(plain, prompted.encode(TEXTS[:4], "document")).min() >= 0.99999
    asked = prompted.encode(TEXTS[:4], "query")
    assert cosines(plain, asked).max() < 0.9999
    by_hand = encoder.encode(["query: " + text for text in TEXTS[:4]])
    assert cosines(asked, by_hand).min() >= 0.99999
    more = prompted.token_counts(TEXTS[:4], "query")
    fewer = prompted.token_counts(TEXTS[:4], "document")
    assert more is not None and fewer is not None and (more.tokens > fewer.tokens).all()


def test_token_counts(encoder: Encoder) -> None:
    counted = encoder.token_counts(["", "one", "word " * 1000])
    if counted is None:
        return
    assert counted.tokens.dtype == np.int32 and counted.truncated.dtype == np.bool_
    assert counted.tokens[0] < counted.tokens[1] < counted.tokens[2] and counted.tokens[2] >= 1000
    assert counted.truncated.tolist() == [False, False, counted.window is not None]


def test_vectors_with_counts_are_those_of_both_calls(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counting(tokenizer: Any, texts: Sequence[str], special: bool) -> list[list[int]]:
        read.append(len(texts))
        return token_ids(tokenizer, texts, special)

    monkeypatch.setattr(_tokens, "token_ids", counting)
    values = [*TEXTS, *ODD]
    vectors, counted = encoder.encode_counted(values)
    if encoder.spec.provider != "sentence-transformers" or encoder.engine == "packed":
        assert sum(read) in (0, len(values)), "a text is tokenised once"
    assert np.array_equal(vectors, encoder.encode(values))
    expected = encoder.token_counts(values)
    assert (counted is None) == (expected is None)
    if counted is not None and expected is not None:
        assert counted.window == expected.window
        assert np.array_equal(counted.tokens, expected.tokens)
        assert np.array_equal(counted.truncated, expected.truncated)
    none, nothing = encoder.encode_counted([])
    assert none.shape == (0, encoder.spec.dimension) and (nothing is None or not len(nothing.tokens))


def test_unnormalised() -> None:
    values = TEXTS[:6]
    words = [glove] if installed(PACKAGES["word-vectors"]) else []
    for make in (paraphrase, wordllama, hashing, *words):
        raw = load_encoder(make(normalize=False)).encode(values)
        unit = load_encoder(make()).encode(values)
        assert np.abs(np.linalg.norm(raw, axis=1) - 1).max() > 0.01
        assert cosines(raw, unit).min() >= 0.999999


@pytest.mark.parametrize("make", [minilm, wordllama])
def test_truncated_dimensions(make: Callable[..., ModelSpec]) -> None:
    whole = load_encoder(make()).encode(TEXTS)
    short = load_encoder(make(dimension=128, truncate_dimension=128)).encode(TEXTS)
    expected = whole[:, :128] / np.linalg.norm(whole[:, :128], axis=1, keepdims=True)
    assert short.shape == (len(TEXTS), 128)
    assert np.abs(short - expected).max() < 1e-5


@pytest.mark.parametrize("make", [minilm, paraphrase])
def test_window(make: Callable[..., ModelSpec]) -> None:
    encoder = load_encoder(make(max_seq_length=16))
    head = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi"
    same, tail = encoder.encode([head + " omicron pi rho sigma", head + " completely different ending here"])
    assert cosines(same[None], tail[None])[0] >= 0.99999, "what is past the window must not count"
    counted = encoder.token_counts(["one two three", "one " * 14, "one " * 15])
    assert counted is not None and counted.window == 16
    assert counted.tokens.tolist() == [5, 16, 17] and counted.truncated.tolist() == [False, False, True]
