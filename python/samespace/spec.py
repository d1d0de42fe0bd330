"""The spec of one embedding model, as Jinja validated and fingerprinted it.

Jinja owns the fingerprint: the dbt project derives ``model_id`` from the identity fields and hands
both over. Python only receives them, so the two sides cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from samespace.errors import SpecError

Role = Literal["document", "query"]


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the dbt var ``samespace_models``, resolved.

    Attributes:
        name: the short name the project uses, e.g. ``minilm``.
        model_id: what every row stores, ``<name>@<8 hex of digest>``.
        digest: the full fingerprint, 32 lower-case hex digits.
        provider: key of the encoder registry, e.g. ``sentence-transformers``.
        dimension: length of every vector this model returns.
        identity: every identity field with its default filled in (provider, model, revision,
            normalize, prompts, ...). Read options that change vectors from here only.
        load_from: where the weights are: None (the hub), a folder or ``package:<module>/<path>``,
            or a mapping of such strings by part (``model``, ``tokenizer``). Not part of the identity.
        runtime: location and speed settings (device, batch_size, threads, ...). Never changes vectors.
        space: model_id of the root of this model's space; its own model_id unless it declares one.
        verify: False for declared partners whose vectors differ by design (query and document towers).
        partner: the spec of the space's root when ``same_space_as`` names one.
    """

    name: str
    model_id: str
    digest: str
    provider: str
    dimension: int
    identity: Mapping[str, Any] = field(default_factory=dict)
    load_from: str | Mapping[str, str] | None = None
    runtime: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False
    space: str = ""
    verify: bool = True
    partner: ModelSpec | None = None

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read the JSON object that the dbt side renders. Raises SpecError if it is not one."""
        try:
            return cls.from_dict(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpecError(
                f"samespace: this is not a model spec: {error!s}. Specs are rendered by the dbt package "
                "from the var samespace_models; are the dbt and the Python package of the same version?"
            ) from error

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ModelSpec:
        partner = fields.get("partner")
        return cls(
            name=fields["name"],
            model_id=fields["model_id"],
            digest=fields["digest"],
            provider=fields["provider"],
            dimension=int(fields["dimension"]),
            identity=dict(fields["identity"]),
            load_from=fields.get("load_from"),
            runtime=dict(fields.get("runtime") or {}),
            trust_remote_code=bool(fields.get("trust_remote_code")),
            space=fields.get("space") or fields["model_id"],
            verify=bool(fields.get("verify", True)),
            partner=cls.from_dict(partner) if partner else None,
        )

    def to_json(self) -> str:
        """The identity as stored in the registry: sorted keys, no location, no speed settings."""
        return json.dumps(dict(self.identity), sort_keys=True, ensure_ascii=False)

    def prompt(self, role: Role) -> str:
        """The text put before every value of this role ('' when there is none)."""
        prompts = self.identity.get("prompts") or {}
        return str(prompts.get(role) or "")

    def cache_role(self, role: Role) -> Role:
        """The role vectors are cached under: one role when both prompts are equal."""
        return role if self.prompt("document") != self.prompt("query") else "document"
