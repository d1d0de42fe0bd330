"""The `tokenizers` library, used the same way by every provider that reads a tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samespace.encoders._vendor import vendor
from samespace.encoders.base import TokenCounts
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

# A page of one-megabyte texts must not become gigabytes of encodings.
_PAGE_CHARACTERS = 4_000_000


def load_tokenizer(path: Path, spec: ModelSpec, extra: str) -> Any:
    """A tokenizer that neither pads nor cuts: what is stored of these varies between copies of one file."""
    tokenizers = vendor("tokenizers", extra, spec.model_id)
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side raises plain Exception
        raise EncoderError(f"samespace: {spec.model_id}: {path} is not a tokenizer.json: {error}") from error
    return unlimited(tokenizer)


def unlimited(tokenizer: Any) -> Any:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_ids(tokenizer: Any, texts: Sequence[str], special: bool) -> list[list[int]]:
    """Ids per text, tokenised in pages of bounded size."""
    ids: list[list[int]] = []
    for page in _pages(texts):
        ids.extend(e.ids for e in tokenizer.encode_batch_fast(page, add_special_tokens=special))
    return ids


def _pages(texts: Sequence[str]) -> list[list[str]]:
    pages: list[list[str]] = []
    room = 0
    for text in texts:
        if not pages or room < len(text):
            pages.append([])
            room = _PAGE_CHARACTERS
        pages[-1].append(text)
        room -= len(text)
    return pages


def counts(lengths: Sequence[int], window: int | None) -> TokenCounts:
    """TokenCounts of texts that have ``lengths`` tokens before cutting."""
    import numpy as np

    tokens = np.asarray(lengths, dtype=np.int32)
    cut = tokens > window if window is not None else np.zeros(len(tokens), dtype=np.bool_)
    return TokenCounts(tokens, cut, window)


def unknown_id(tokenizer: Any) -> int | None:
    """Id of the token that stands for anything unknown, None where the vocabulary has none."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is not None:
        found = tokenizer.token_to_id(model["unk_token"])
        return None if found is None else int(found)
    unknown: int | None = model.get("unk_id")  # Unigram
    return unknown


class Tokens:
    """Token ids of a model's texts with its prompts and special tokens, whole or cut at a window.

    Every text is tokenised once: what is cut off is cut here, so that its length is known too.
    """

    def __init__(self, tokenizer: Any, spec: ModelSpec, special: bool = True) -> None:
        self._tokenizer, self._spec, self._special = tokenizer, spec, special
        added = tokenizer.encode("a", add_special_tokens=special).special_tokens_mask
        self._tail = len(added) - 1 - max((at for at, one in enumerate(added) if not one), default=-1)
        self._added = sum(added)

    def check(self, window: int) -> int:
        """The window. Raises EncoderError where it holds nothing but special tokens."""
        if window <= self._added:
            raise EncoderError(
                f"samespace: {self._spec.model_id}: max_seq_length {window} leaves no room for text beside "
                f"{self._added} special tokens"
            )
        return window

    def whole(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        prompt = self._spec.prompt(role)
        prompted = [prompt + text for text in texts] if prompt else texts
        return token_ids(self._tokenizer, prompted, self._special)

    def cut(self, texts: Sequence[str], role: Role, window: int) -> tuple[list[list[int]], list[int]]:
        """Ids of each text, at least one and at most ``window``, and how many there were before cutting."""
        rows = self.whole(texts, role)
        lengths = [len(row) for row in rows]
        for index, length in enumerate(lengths):
            if length > window:
                row = rows[index]
                rows[index] = row[: window - self._tail] + row[length - self._tail :]
            elif not length:  # no special tokens, and nothing in the text: no model can read that
                rows[index] = [0]
        return rows, lengths
