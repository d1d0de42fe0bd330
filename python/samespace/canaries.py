"""The gate: no encoder is handed out before it has proven to be what its model_id names.

The first time a model_id is used, the vectors of a fixed list of probe texts go into the registry. Later
loads embed the same texts and compare. This catches the silent change: other weights, another provider build,
a lost prompt, a quantised file, a flipped normalisation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from samespace._agreement import MEAN_COSINE, MIN_COSINE, agreement, agrees
from samespace._pace import encoding
from samespace._registry import Registration, Registry
from samespace.encoders import load_encoder
from samespace.encoders.base import Encoder
from samespace.errors import CanaryError, StorageError
from samespace.spec import ModelSpec, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TEXTS", "UNIT_TOLERANCE", "VERSION", "agreement", "agrees", "canary_vectors", "verified_encoder"]

VERSION = 1
# Of the fact that lengths are 1, which lets a search leave the norms out.
UNIT_TOLERANCE = 1e-5
TEXTS: tuple[str, ...] = (
    "The parcel arrived two days late.",
    "the parcel arrived two days late",
    "THE PARCEL ARRIVED TWO DAYS LATE!",
    "I cannot log in to my account since this morning.",
    "Please refund 49.90 EUR to card 4111.",
    "Please refund 4.99 EUR to card 4111.",
    "invoice no. 2024-00017",
    "0123456789",
    "3.14159 > 2.71828",
    "a",
    "OK",
    "not good",
    "good",
    "Wie kann ich mein Passwort zurücksetzen?",
    "¿Dónde está mi pedido?",
    "Où est passée ma commande ?",
    "Где мой заказ?",
    "我的订单在哪里？",
    "注文はどこですか。",
    "주문은 어디에 있나요?",
    "أين طلبي؟",
    "איפה ההזמנה שלי?",
    "मेरा ऑर्डर कहाँ है?",
    "👍🏽 thanks 🎉",
    "naïve café, co-operate, résumé",
    "select * from orders where id = 7;",
    "<p>Hello&nbsp;world</p>",
    "https://example.com/help?topic=billing#refund",
    "first.last@example.com",
    "  two  spaces\tand a tab\nand a line break ",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "The quick brown fox jumps over the lazy dog near the old stone bridge. " * 80,
)


_lock = threading.RLock()
_loaded: dict[str, Encoder] = {}
_passed: set[tuple[str, ...]] = set()


def verified_encoder(
    spec: ModelSpec,
    registry: Registry,
    log: Callable[[str], None] = lambda message: None,
    prove: Callable[[Encoder], None] | None = None,
) -> Encoder:
    """The encoder of a spec, loaded once per process and checked once per process and registry.

    Registers the model_id on first use, after ``prove`` (if given) has not raised. Raises CanaryError when
    the loaded model does not reproduce its registered vectors (mean cosine >= 0.9998, min >= 0.999, norms
    within 1e-3), and EncoderError when the weights cannot be loaded.
    """
    with _lock:
        encoder = _load(spec, registry)
        passed = (registry.identity, spec.model_id, spec.space, _weights(spec))
        # An empty registry (dropped, or another database in memory) is filled again.
        if passed not in _passed or registry.registration(spec.model_id) is None:
            # Two processes that meet a new model at once would both register it.
            with registry.exclusive(spec.digest):
                _check(spec, encoder, registry, log, prove)
            _passed.add(passed)
        return encoder


def _weights(spec: ModelSpec) -> str:
    """What decides which weights are loaded, and how."""
    return repr((spec.digest, spec.load_from, sorted(spec.runtime.items()), spec.trust_remote_code))


def _load(spec: ModelSpec, registry: Registry) -> Encoder:
    key = _weights(spec)
    if key not in _loaded:
        _loaded[key] = load_encoder(_pinned(spec, registry))
    return _loaded[key]


def _pinned(spec: ModelSpec, registry: Registry) -> ModelSpec:
    """A hub model without a revision loads the one that was resolved when it was registered."""
    if spec.load_from is not None or spec.identity.get("revision"):
        return spec
    known = registry.registration(spec.model_id) or registry.twin(spec)
    if known is None or known.revision is None:
        return spec
    return replace(spec, identity={**spec.identity, "revision": known.revision})


def _check(
    spec: ModelSpec,
    encoder: Encoder,
    registry: Registry,
    log: Callable[[str], None],
    prove: Callable[[Encoder], None] | None,
) -> None:
    known = registry.registration(spec.model_id)
    if known is not None and known.digest != spec.digest:
        raise StorageError(
            f"samespace: {spec.model_id} is registered with the fingerprint {known.digest}, this project "
            "derives "
            f"{spec.digest}. Two specs share a short id: rename the model '{spec.name}'."
        )
    # A model under a new name shares the cache of the old one, so it is held to the old one's vectors.
    reference = known or registry.twin(spec)
    if reference is not None:
        vectors = _settled(spec, encoder, reference.canaries, log)
        _compare_with(spec, reference, vectors)
    else:
        vectors = _in_fp32(spec, encoder, log)
        if prove is not None:
            prove(encoder)
    if known is None or known.space != spec.space:
        _compare_with_partner(spec, vectors, registry, log)
    if known is None:
        _register(spec, encoder, vectors, registry, log)
    else:
        registry.mark_verified(replace(known, space=spec.space, verified=_is_verified(spec)))


def _in_fp32(spec: ModelSpec, encoder: Encoder, log: Callable[[str], None]) -> NDArray[np.float32]:
    """The canaries' vectors in fp32, which a registry keeps; a faster precision is then held to them."""
    fast = encoder.precision
    if fast == "fp32" or not encoder.use_precision("fp32"):
        return canary_vectors(spec, encoder)
    vectors = canary_vectors(spec, encoder)
    encoder.use_precision(fast)
    _settled(spec, encoder, vectors, log)
    return vectors


def _settled(
    spec: ModelSpec, encoder: Encoder, reference: NDArray[np.float32], log: Callable[[str], None]
) -> NDArray[np.float32]:
    """The canaries' vectors in the precision the encoder stays with: fp32 where another is too far off."""
    vectors = canary_vectors(spec, encoder)
    fast = encoder.precision
    if fast == "fp32" or (vectors.shape == reference.shape and agrees(*agreement(reference, vectors))):
        return vectors
    if spec.runtime.get("precision") == fast:
        raise CanaryError(
            f"samespace: {spec.model_id}: runtime.precision is '{fast}', and in it the model does not "
            "reproduce its registered vectors. Leave precision out: what agrees is taken then."
        )
    if encoder.use_precision("fp32"):
        log(f"{spec.name}: {fast} is too far from fp32 here, so this run computes in fp32.")
    return canary_vectors(spec, encoder)


def _is_verified(spec: ModelSpec) -> bool:
    return spec.partner is None or spec.verify


def _compare_with(spec: ModelSpec, reference: Registration, vectors: NDArray[np.float32]) -> None:
    if reference.canary_version != VERSION:
        raise StorageError(
            f"samespace: {reference.model_id} was registered with canary list {reference.canary_version}; "
            "this version "
            f"of samespace has list {VERSION}. Use the version that registered it, or bump version: in its "
            "spec."
        )
    _compare(spec.model_id, reference.model_id, reference.canaries, vectors)


def _compare_with_partner(
    spec: ModelSpec, vectors: NDArray[np.float32], registry: Registry, log: Callable[[str], None]
) -> None:
    """A declared alias has to agree with the root of its space; towers (verify: false) differ by design."""
    if spec.partner is None or not spec.verify:
        return
    verified_encoder(spec.partner, registry, log)
    root = registry.registration(spec.partner.model_id)
    if root is not None:
        _compare_with(spec, root, vectors)


def _register(
    spec: ModelSpec,
    encoder: Encoder,
    vectors: NDArray[np.float32],
    registry: Registry,
    log: Callable[[str], None],
) -> None:
    import numpy as np

    revision = getattr(encoder, "resolved_revision", None)
    if revision and not spec.identity.get("revision"):
        log(
            f"{spec.name} has no revision: pinned {revision} for this database. "
            f"Write revision: {revision} into its spec to pin it everywhere."
        )
    for note in encoder.notes:
        log(f"{spec.name}: {note}")
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    unit_norm = bool(np.all(np.abs(norms[norms > 0] - 1.0) <= UNIT_TOLERANCE))
    registry.register(
        spec,
        Registration(
            spec.model_id, spec.digest, VERSION, vectors, revision, spec.space, unit_norm, _is_verified(spec)
        ),
    )


def canary_vectors(spec: ModelSpec, encoder: Encoder) -> NDArray[np.float32]:
    """The probe texts in both roles (in one, where both prompts are equal): float32 [rows, dimension]."""
    import numpy as np

    roles: list[Role] = ["document"]
    if spec.cache_role("query") == "query":
        roles.append("query")
    with encoding:
        vectors = np.vstack([encoder.encode(list(TEXTS), role) for role in roles])
    if vectors.shape[1] != spec.dimension:
        raise CanaryError(
            f"samespace: {spec.model_id} returns vectors of {vectors.shape[1]} numbers; its spec says "
            f"dimension: {spec.dimension}. Correct the spec of '{spec.name}'."
        )
    if not np.isfinite(vectors).all():
        raise CanaryError(f"samespace: {spec.model_id} returns NaN or infinite numbers for ordinary texts.")
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _compare(loaded: str, registered: str, stored: NDArray[np.float32], fresh: NDArray[np.float32]) -> None:
    import numpy as np

    if stored.shape != fresh.shape:
        raise StorageError(
            f"samespace: the registry row of {registered} holds vectors of shape {stored.shape}, expected "
            f"{fresh.shape}. Was the row edited? Restore it, or bump version: in the spec to start a new "
            "space."
        )
    cosine, ratio = agreement(stored, fresh)
    if agrees(cosine, ratio):
        return
    raise CanaryError(
        f"samespace: what was loaded for {loaded} is not what is registered as {registered}: "
        f"the {len(cosine)} canary texts agree with a mean cosine of {cosine.mean():.5f} (needed "
        f"{MEAN_COSINE}) "
        f"and a smallest of {cosine.min():.5f} (needed {MIN_COSINE}), lengths differ by up to "
        f"{np.abs(ratio - 1).max():.2%}. Nothing was stored. Pin revision: (or correct load_from:) to get "
        "the "
        "registered model back, or bump version: in its spec to accept this one as a new space."
    )
