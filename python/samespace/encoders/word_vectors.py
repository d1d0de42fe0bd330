"""Word vectors (GloVe, word2vec): a text is the mean of the vectors of the words that are known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.encoders._locations import local_path, one_file, part_path
from samespace.encoders._tokens import counts
from samespace.encoders._values import checked_values, dimension_error, finished
from samespace.encoders._vendor import vendor
from samespace.encoders.base import Encoder, TokenCounts
from samespace.errors import EncoderError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "word-vectors"
_WORD = re.compile(r"\w+")
_VECTORS = ("*.npy", "*.txt", "*.vec")
_WORDS = ("*.parquet", "*.vocab", "*.txt")


class WordVectorsEncoder(Encoder):
    """Mean over the known words (runs of letters, digits and underscores), each occurrence once.

    A text without a known word has no vector: a row of zeros.
    """

    allows_missing = True
    engine = "numpy"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        source = local_path(spec)
        if source is None:
            raise EncoderError(
                f"samespace: {spec.model_id}: provider 'word-vectors' reads a local file. Set load_from: "
                "to a "
                "GloVe or word2vec text file, or to a folder or package:<module>/<path> with a .npy matrix "
                "and "
                "its words in a .parquet or .txt file"
            )
        self._lowercase = bool(spec.identity.get("lowercase", True))
        file = one_file(source, _VECTORS, spec, "model")
        if file.suffix == ".npy":
            words = one_file(part_path(spec, "tokenizer", file), _WORDS, spec, "tokenizer")
            self._rows, self._matrix = _from_npy(file, words, spec)
        else:
            self._rows, self._matrix = _from_text(file, spec)

    def encode(self, values: Sequence[str], role: Role = "document") -> NDArray[np.float32]:
        import numpy as np

        texts = checked_values(values, self.spec)
        vectors = np.zeros((len(texts), self.spec.dimension), dtype=np.float32)
        for index, text in enumerate(texts):
            known = [self._rows[word] for word in self._words(text) if word in self._rows]
            if known:
                distinct, times = np.unique(known, return_counts=True)
                weights = (times / len(known)).astype(np.float32)
                vectors[index] = weights @ self._matrix[distinct]
        return finished(vectors, len(texts), self.spec)

    def token_counts(self, values: Sequence[str], role: Role = "document") -> TokenCounts:
        return counts([len(self._words(text)) for text in checked_values(values, self.spec)], None)

    def _words(self, text: str) -> list[str]:
        return _WORD.findall(text.lower() if self._lowercase else text)


def _from_npy(file: Path, words: Path, spec: ModelSpec) -> tuple[dict[str, int], Any]:
    import numpy as np

    matrix = np.load(file, mmap_mode="r", allow_pickle=False)
    names = _word_list(words, spec)
    if matrix.ndim != 2 or len(names) != len(matrix) or matrix.shape[1] != spec.dimension:
        raise EncoderError(
            f"samespace: {spec.model_id}: {file.name} has shape {matrix.shape}, {words.name} has "
            f"{len(names)} "
            f"words, the spec says dimension {spec.dimension}: expected [{len(names)}, {spec.dimension}]"
        )
    return _first_rows(names), matrix


def _word_list(path: Path, spec: ModelSpec) -> list[str]:
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8").splitlines()
    parquet = vendor("pyarrow.parquet", _EXTRA, spec.model_id)
    table = parquet.read_table(path)
    if table.num_columns != 1:
        raise EncoderError(
            f"samespace: {spec.model_id}: {path.name} has the columns {', '.join(table.column_names)}; "
            "expected "
            "one column of words, in the order of the matrix"
        )
    return [str(word) for word in table.column(0).to_pylist()]


def _from_text(path: Path, spec: ModelSpec) -> tuple[dict[str, int], Any]:
    """``word x1 x2 ...`` per line, UTF-8; a word2vec header line (``count dimension``) is skipped."""
    import numpy as np

    names: list[str] = []
    chunks: list[NDArray[np.float32]] = []
    for number, (word, numbers) in enumerate(_lines(path, spec), start=1):
        try:
            row = np.array(numbers, dtype=np.float32)
        except ValueError:
            row = np.zeros(0, dtype=np.float32)
        if len(row) != spec.dimension:
            raise EncoderError(
                f"samespace: {spec.model_id}: entry {number} of {path.name} ('{word[:40]}') does not hold "
                f"{spec.dimension} numbers"
            )
        names.append(word)
        chunks.append(row)
    if not names:
        raise EncoderError(f"samespace: {spec.model_id}: {path} holds no word vectors")
    return _first_rows(names), np.stack(chunks)


def _lines(path: Path, spec: ModelSpec) -> Iterator[tuple[str, list[str]]]:
    first = True
    with path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
        for position, line in enumerate(stream):
            width = len(line.split()) - 1 if first else spec.dimension
            if position == 0 and width == 1 and spec.dimension != 1:
                continue  # word2vec's header: count and dimension
            if first and width != spec.dimension:
                raise dimension_error(spec, width)
            first = False
            # words may hold spaces (GloVe 840B has '. . .'), so count from the right
            word, *numbers = line.rstrip().rsplit(" ", spec.dimension)
            yield word, numbers


def _first_rows(names: Sequence[str]) -> dict[str, int]:
    """Row by word; the first wins where a word is repeated (files are sorted by frequency)."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, row)
    return rows
