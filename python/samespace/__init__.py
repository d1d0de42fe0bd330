"""samespace: embeddings in dbt that are only ever compared within one embedding space.

The names below are loaded on first use, so that ``import samespace`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "Encoder": "samespace.encoders.base",
    "ModelSpec": "samespace.spec",
    "SamespaceError": "samespace.errors",
    "TokenCounts": "samespace.encoders.base",
}

__all__ = ["Encoder", "ModelSpec", "SamespaceError", "TokenCounts", "__version__"]


def __getattr__(name: str) -> Any:
    """A public name, imported from the module that defines it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'samespace' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
