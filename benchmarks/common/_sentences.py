"""Sentences that people wrote, found in what is installed: docstrings, comments, descriptions of packages.

No network. Licence boilerplate, code, tables and signatures are dropped, and of texts that differ only in
numbers, names and punctuation one is kept.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

STRING = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'', re.DOTALL)
# A string on one line that holds at least four words: a message, a label, a line of help.
FOUR = r"[^{0}\\\n ]+(?: [^{0}\\\n ]+){{3,}}"
MESSAGE = re.compile("\"(" + FOUR.format("\"") + ")\"|'(" + FOUR.format("'") + ")'")
COMMENTS = re.compile(r"(?:^[ \t]*#(?!!)[^\n]*\n)+", re.MULTILINE)
C_COMMENTS = re.compile(r"/\*(.*?)\*/|((?:^[ \t]*//[^\n]*\n)+)", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^[ \t]*(?:#+|/{2,}!?|\*+|[-•] )[ \t]?", re.MULTILINE)
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*•]|:\w|\d+[.)]|\.\. ))")
SENTENCE = re.compile(r"(?<=[a-z0-9)\"'][.!?])\s+(?=[A-Z])")
MARKUP = re.compile(r":\w+:`|``|`|\*\*|\[([^\]]*)\]\([^)]*\)|<[^>]{1,80}>")
# Whatever holds one of these is code, a signature, a table or an address rather than prose.
CODE = re.compile(r"[={}<>|\\@$~^\t]|::|->|>>>|https?:|\[\]|---|\+\+|__|\w,\w|\w\(\w|(?:^|\s)[#%/]")
LICENCE = re.compile(
    r"licen[sc]e|copyright|warrant|redistribut|merchantab|liabilit|all rights reserved|noninfring|as is\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z]+")
OPENING = re.compile(r"^[A-Za-z\"']")
WORDS = (3, 60)
LABELLED = (
    ("e_drift_hacker_news", "title"), ("b_intents_banking77", "text"), ("b_topics_stackoverflow", "title"),
    ("k_demo_support_tickets", "message"), ("d_similarity_stsb", "text_a"), ("d_similarity_stsb", "text_b"),
    ("b_topics_ag_news", "title"), ("b_topics_ag_news", "description"), ("f_outliers_sms_spam", "text"),
    ("c_retrieval_xquad_queries", "query"), ("c_retrieval_cranfield_queries", "query"),
)  # fmt: skip


def _files() -> Iterator[Path]:
    paths = sysconfig.get_paths()
    for folder in dict.fromkeys(Path(paths[name]) for name in ("purelib", "platlib", "stdlib")):
        for file in sorted(folder.rglob("*")):
            parts = file.relative_to(folder).parts
            if file.suffix in {".py", ".pyi", ".h", ".hpp", ".pxd"} and "site-packages" not in parts:
                yield file


def _blocks(file: Path) -> Iterator[str]:
    """Docstrings and comments of one source file."""
    text = file.read_text(encoding="utf-8", errors="ignore")
    if file.suffix in {".h", ".hpp"}:
        yield from (first or second for first, second in C_COMMENTS.findall(text))
        return
    for first, second in STRING.findall(text):
        yield first or second
    yield from COMMENTS.findall(text)
    for first, second in MESSAGE.findall(STRING.sub("", COMMENTS.sub("", text))):
        yield first or second


def _descriptions() -> Iterator[str]:
    for package in sorted(importlib.metadata.distributions(), key=lambda one: one.metadata["Name"] or ""):
        yield str(package.metadata.get_payload() or package.metadata["Description"] or "")


def _labelled() -> Iterator[str]:
    """The texts of the labelled sets, where they lie beside the checkout."""
    folder = Path(os.environ.get("SAMESPACE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    for name, column in LABELLED:
        if (folder / f"{name}.csv").exists():
            with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
                yield from (" ".join(row[column].split()) for row in csv.DictReader(file))


def is_prose(text: str) -> bool:
    """Whether a sentence reads like one that a person wrote for people."""
    if not 12 <= len(text) <= 500 or LICENCE.search(text) or CODE.search(text) or not OPENING.match(text):
        return False
    words = text.split()
    letters = sum(character.isalpha() or character == " " for character in text)
    return WORDS[0] <= len(words) <= WORDS[1] and letters >= 0.85 * len(text)


def sentences(block: str) -> Iterator[str]:
    """The prose of a docstring, a comment or a page, one sentence or short paragraph at a time."""
    for paragraph in PARAGRAPH.split(MARK.sub("", block)):
        text = " ".join(MARKUP.sub(r"\1", paragraph).split())
        # A third of the short paragraphs stay whole: a column of messages is not one of single sentences.
        whole = len(text) % 3 == 0 and len(text.split()) <= WORDS[1]
        yield from (part for part in ([text] if whole else SENTENCE.split(text)) if is_prose(part))


def _skeleton(text: str) -> bytes:
    """What two texts share that differ only in names, numbers and punctuation."""
    plain = " ".join(word for word in WORD.findall(text) if word[1:].islower() or len(word) == 1)
    return hashlib.blake2b(plain.lower().encode(), digest_size=12).digest()


def distinct() -> list[str]:
    """All of them, one per skeleton, in an order that depends on nothing but the texts."""
    found: dict[bytes, str] = {}

    def keep(text: str) -> None:
        key = _skeleton(text)
        if key not in found or text < found[key]:
            found[key] = text

    for text in _labelled():
        if 3 <= len(text.split()) <= WORDS[1]:
            keep(text)
    for block in _descriptions():
        for text in sentences(block):
            keep(text)
    for file in _files():
        for block in _blocks(file):
            for text in sentences(block):
                keep(text)
    return sorted(found.values(), key=lambda text: hashlib.blake2b(text.encode(), digest_size=8).digest())
