"""The SQL functions that encode on DuckDB: a text column, and a query text.

Both return ``STRUCT(embedding FLOAT[], error VARCHAR)``: an exception raised here would reach the person
running dbt with a traceback, so the sentence travels as a value and SQL stops with it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from samespace.io._jobs import debug, encoding_sentence, text_vectors, without_vector
from samespace.io.duckdb import DuckDBStore
from samespace.pump import fill_lock
from samespace.spec import ModelSpec, Role

RESULT = "STRUCT(embedding FLOAT[], error VARCHAR)"


class _Request:
    """The JSON that the macros render: which model, and where the registry and the cache are."""

    def __init__(self, connection: Any, text: str) -> None:
        fields = json.loads(text)
        self.spec = ModelSpec.from_dict(fields["spec"])
        # The connection that runs the query is busy with it; a cursor of its own is not.
        self.store = DuckDBStore(connection.cursor(), fields["catalog"], fields["schema"])

    def close(self) -> None:
        self.store.connection.close()


def _answer(connection: Any, request_text: str, texts: Sequence[str], role: Role) -> tuple[Any, str | None]:
    """(vectors by text, None), or (None, the sentence to stop with)."""
    # Two threads of one query come here at once: the lock keeps their writes and the encoder apart.
    with fill_lock:
        try:
            request = _Request(connection, request_text)
        except (KeyError, TypeError, ValueError) as error:
            return None, f"samespace: the request of the dbt package cannot be read: {error}"
        try:
            return text_vectors(request.store, request.spec, texts, role), None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception
            debug(f"encoding with {request.spec.model_id} failed:\n{traceback.format_exc()}")
            return None, encoding_sentence(error, request.spec)
        finally:
            request.close()


def register_embed(connection: Any) -> None:
    """``samespace_embed(request, text, role)``: a vector per text, NULL for NULL."""

    # DuckDB evaluates these annotations: names of a library that is not imported yet would not resolve.
    def samespace_embed(requests: Any, texts: Any, roles: Any) -> Any:
        import pyarrow as pa

        answer = pa.struct([("embedding", pa.list_(pa.float32())), ("error", pa.string())])
        values = texts.to_pylist()
        distinct = list(dict.fromkeys(text for text in values if text is not None))
        if not distinct:
            return pa.array([{"embedding": None, "error": None}] * len(values), answer)
        vectors, error = _answer(connection, requests[0].as_py(), distinct, roles[0].as_py())
        rows = [None if error or text is None else vectors[text] for text in values]
        columns = [pa.array(rows, answer[0].type), pa.array([error] * len(rows), pa.string())]
        return pa.StructArray.from_arrays(columns, fields=list(answer))

    connection.create_function(
        "samespace_embed", samespace_embed, ["VARCHAR", "VARCHAR", "VARCHAR"], RESULT,
        type="arrow", null_handling="special", side_effects=True,
    )  # fmt: skip


def register_query_vector(connection: Any) -> None:
    """``samespace_query_vector(request, text)``: the vector of a query text, embedded once and cached."""

    def samespace_query_vector(request: str, text: str) -> dict[str, Any]:
        vectors, error = _answer(connection, request, [text], "query")
        if error is None and vectors[text] is None:
            error = without_vector(text)
        return {"embedding": None if error else vectors[text].tolist(), "error": error}

    connection.create_function(
        "samespace_query_vector", samespace_query_vector, ["VARCHAR", "VARCHAR"], RESULT,
        side_effects=True,
    )  # fmt: skip


FUNCTIONS: dict[str, Callable[[Any], None]] = {
    "samespace_embed": register_embed,
    "samespace_query_vector": register_query_vector,
}
