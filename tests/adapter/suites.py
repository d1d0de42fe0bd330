"""dbt's suites as test classes of the module that asks for them."""

from __future__ import annotations

from typing import Any


def subclass(module: dict[str, Any], *suites: type) -> None:
    """Add a test class for each suite: ``BaseEmpty`` becomes ``TestEmpty``, the rest keep their name."""
    for suite in suites:
        name = "Test" + suite.__name__.removeprefix("Test").removeprefix("Base")
        if name in module:
            raise ValueError(f"{name} is there twice")
        module[name] = type(name, (suite,), {"__module__": module["__name__"]})
