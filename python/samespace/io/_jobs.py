"""What the jobs of every engine share: reading a request, dbt's log, the outcome, vectors of single texts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samespace._faults import said, unusable
from samespace._job import Encoded, Filled, Job
from samespace._pace import encoding
from samespace.canaries import verified_encoder
from samespace.errors import EncoderError, InputError, RightsError, SamespaceError
from samespace.io._store import Store
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_job(fields: dict[str, Any]) -> Job:
    """The job as the materialization renders it."""
    return Job(
        specs=[ModelSpec.from_dict(spec) for spec in fields["specs"]],
        role=fields["role"],
        stage=fields["stage"],
        key=fields["key"],
        text=fields["text"],
        title=fields["title"],
        target=fields["target"],
        cache=fields["cache"],
        page_rows=fields["page_rows"],
    )


def dbt_log() -> Callable[[str], None]:
    """dbt's own logger: honours -q, --log-level and JSON logs, where tqdm and print corrupt them."""
    from dbt.adapters.events.logging import AdapterLogger

    logger = AdapterLogger("samespace")
    return logger.info  # type: ignore[no-any-return]


def debug(message: str) -> None:
    """A line for dbt's debug log."""
    from dbt.adapters.events.logging import AdapterLogger

    AdapterLogger("samespace").debug(message)


def sentence(error: BaseException, title: str, stopped: threading.Event) -> str:
    """What the person running dbt reads; the traceback goes to the debug log."""
    if isinstance(error, SamespaceError):
        return str(error)
    if stopped.is_set():
        return (
            f"samespace: {title}: stopped. The table is as it was, the vectors made so far are kept, and the "
            "next run goes on from there."
        )
    # A database says first what went wrong, and then which of our statements it was.
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = " ".join(str(primary or error).split()).rstrip(".")
    return (
        f"samespace: {title}: {type(error).__name__}: {text}. The table is as it was; the vectors made so "
        "far are kept. dbt's debug log has the details."
    )


def outcome_row(done: Filled) -> list[Any]:
    """One model that is filled, as a row of ``__samespace_outcome``."""
    return [
        done.model_id, None, done.cache, done.distinct_texts, done.embedded, done.tokens, done.seconds,
        done.engine, done.precision, False, done.truncated,
    ]  # fmt: skip


def failure_row(message: str) -> list[Any]:
    """A fill that failed, as a row of ``__samespace_outcome``."""
    return [None, message, None, None, None, None, None, None, None, False, None]


def text_vectors(
    store: Store, spec: ModelSpec, texts: Sequence[str], role: Role
) -> dict[str, NDArray[np.float32] | None]:
    """A vector per distinct text, from the cache or from the verified encoder, which fills the cache.

    float32 [dimension] each, None for a text that has no vector. Raises SamespaceError.
    """
    hashes = {text: hashlib.sha256(text.encode()).hexdigest() for text in texts}
    store.prepare()
    cache, kept_as = store.prepare_cache(spec), spec.cache_role(role)
    known = store.cached_vectors(cache, kept_as, list(hashes.values()))
    missing = [text for text, content_hash in hashes.items() if content_hash not in known]
    if missing:
        made = _encode(store, spec, [hashes[text] for text in missing], missing, role)
        try:
            store.write_page(cache, kept_as, made)
        except RightsError as error:
            # A role that only reads may search; its texts are embedded each time.
            debug(f"vectors of {spec.model_id} are not kept: {error}")
        rows = zip(made.hashes, made.vectors, strict=True)
        known |= {content_hash: row if row.any() else None for content_hash, row in rows}
    return {text: known[content_hash] for text, content_hash in hashes.items()}


def _encode(
    store: Store, spec: ModelSpec, hashes: Sequence[str], texts: Sequence[str], role: Role
) -> Encoded:
    import numpy as np

    encoder = verified_encoder(spec, store, dbt_log())
    with encoding:
        made, counts = encoder.encode_counted(texts, role)
    vectors = np.ascontiguousarray(made, dtype=np.float32)
    fault = unusable(vectors, len(texts), spec, encoder)
    if fault is not None:
        reason, position = fault
        text = "" if position is None else f", first for '{texts[position][:80]}'"
        raise EncoderError(f"samespace: {spec.model_id} {reason}{text}. None of them was stored.")
    return Encoded.of(hashes, vectors, counts)


def encoding_sentence(error: BaseException, spec: ModelSpec) -> str:
    """Why single texts have no vector."""
    if isinstance(error, SamespaceError):
        return str(error)
    return f"samespace: {spec.model_id}: {said(error, spec)}."


def without_vector(text: str) -> str:
    """A query text of which the model knows no word."""
    return str(InputError(f"there is no vector for the query text '{text}': none of its words is known"))
