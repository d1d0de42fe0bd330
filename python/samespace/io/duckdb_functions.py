"""The SQL functions that encode on DuckDB: a text column, and a query text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samespace.canaries import verified_encoder
from samespace.errors import EncoderError, InputError
from samespace.io.duckdb import DuckDBStore
from samespace.pump import fill_lock
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from samespace.encoders.base import Encoder


def _log(message: str) -> None:
    from samespace.io.duckdb_job import dbt_log

    dbt_log()(message)


class _Request:
    """The JSON that the macros render: which model, and where the registry is."""

    def __init__(self, connection: Any, text: str) -> None:
        fields = json.loads(text)
        self.spec = ModelSpec.from_dict(fields["spec"])
        # The connection that runs the query is busy with it; a cursor of its own is not.
        self.store = DuckDBStore(connection.cursor(), fields["catalog"], fields["schema"])

    def encoder(self) -> Encoder:
        self.store.prepare()
        return verified_encoder(self.spec, self.store, _log)

    def close(self) -> None:
        self.store.connection.close()


def register_embed(connection: DuckDBPyConnection) -> None:
    """``samespace_embed(request, text, role) -> FLOAT[]``: a vector per text, NULL for NULL."""

    def samespace_embed(requests: pa.Array, texts: pa.Array, roles: pa.Array) -> pa.Array:
        import pyarrow as pa

        if not len(texts):
            return pa.array([], pa.list_(pa.float32()))
        request = _Request(connection, requests[0].as_py())
        try:
            with fill_lock:
                return _embed_distinct(request, texts.to_pylist(), roles[0].as_py())
        finally:
            request.close()

    connection.create_function(
        "samespace_embed", samespace_embed, ["VARCHAR", "VARCHAR", "VARCHAR"], "FLOAT[]",
        type="arrow", null_handling="special", side_effects=True,
    )  # fmt: skip


def _embed_distinct(request: _Request, texts: list[str | None], role: Role) -> pa.Array:
    import pyarrow as pa

    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    if not distinct:
        return pa.array([None] * len(texts), pa.list_(pa.float32()))
    vectors = _encode(request, distinct, role)
    positions = {text: position for position, text in enumerate(distinct)}
    rows = [vectors[positions[text]] if text in positions else None for text in texts]
    return pa.array(rows, pa.list_(pa.float32()))


def _encode(request: _Request, texts: list[str], role: Role) -> Any:
    import numpy as np

    encoder = request.encoder()
    vectors = encoder.encode(texts, role)
    if vectors.shape != (len(texts), request.spec.dimension):
        raise EncoderError(
            f"samespace: {request.spec.model_id} returned an array of shape {vectors.shape}; expected "
            f"({len(texts)}, {request.spec.dimension})."
        )
    unusable = ~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)
    if unusable.any() and not encoder.allows_missing:
        raise EncoderError(f"samespace: {request.spec.model_id} returned a vector of NaN, infinity or only zeros.")
    return [None if bad else vector for bad, vector in zip(unusable, vectors, strict=True)]


def register_query_vector(connection: DuckDBPyConnection) -> None:
    """``samespace_query_vector(request, text) -> FLOAT[]``: the vector of a query text, embedded once and cached."""

    def samespace_query_vector(request_text: str, text: str) -> list[float]:
        request = _Request(connection, request_text)
        try:
            with fill_lock:
                return _query_vector(request, text)
        finally:
            request.close()

    connection.create_function(
        "samespace_query_vector", samespace_query_vector, ["VARCHAR", "VARCHAR"], "FLOAT[]",
        side_effects=True,
    )  # fmt: skip


def _query_vector(request: _Request, text: str) -> list[float]:
    store, spec = request.store, request.spec
    role = spec.cache_role("query")
    content_hash = hashlib.sha256(text.encode()).hexdigest()
    store.prepare()
    cache = store.prepare_cache(spec)
    known = store.cached_vector(cache, role, content_hash)
    if known is not None:
        return known
    vector = _encode(request, [text], "query")[0]
    if vector is None:
        raise InputError(f"samespace: {spec.model_id} has no vector for the query text '{text}': it knows none of its words.")
    store.write_page(cache, role, [content_hash], vector.reshape(1, -1), None, None)
    return [float(value) for value in vector]


FUNCTIONS: dict[str, Callable[[DuckDBPyConnection], None]] = {
    "samespace_embed": register_embed,
    "samespace_query_vector": register_query_vector,
}
