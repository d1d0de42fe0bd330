"""Adding the package to a project changes nothing there but the macros it may call."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from consumer.consumer import LOCAL, Copy

PROJECT = {
    "name": "importer", "version": "1.0.0", "config-version": 2, "profile": "importer",
    "flags": {"send_anonymous_usage_stats": False},
}
PROFILE = {"importer": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": "importer.duckdb"}}}}
FILES = {
    "dbt_project.yml": yaml.safe_dump(PROJECT),
    "profiles.yml": yaml.safe_dump(PROFILE),
    "seeds/colours.csv": "colour_id,colour\n1,red\n",
    "models/colours_view.sql": "select * from {{ ref('colours') }}\n",
    "models/models.yml": yaml.safe_dump({
        "models": [{"name": "colours_view", "columns": [{"name": "colour_id", "data_tests": ["not_null"]}]}],
    }),
}
RESOURCES = ["nodes", "sources", "exposures", "metrics", "groups", "selectors", "saved_queries",
             "semantic_models", "unit_tests"]


def footprint(project: Copy) -> dict[str, Any]:
    """What dbt knows of the project: listed resources, everything in the manifest but macros, warnings."""
    listed = project.dbt("--warn-error", "--quiet", "ls", "--output", "name")
    assert listed.returncode == 0, listed.stdout
    parsed = project.dbt("--warn-error", "parse", "--no-partial-parse", "--show-all-deprecations")
    assert parsed.returncode == 0, parsed.stdout
    manifest = json.loads((project.root / "target" / "manifest.json").read_text())
    # dbt keeps the data tests of a disabled model in the manifest, disabled as well: never listed, never run.
    manifest["nodes"] = {name: node for name, node in manifest["nodes"].items() if node["config"]["enabled"]}
    known = {kind: sorted(manifest.get(kind) or {}) for kind in RESOURCES}
    # The hooks of all packages are operations.
    known["operations"] = sorted(name for name in manifest["nodes"] if name.startswith("operation."))
    known["docs"] = sorted(name for name in manifest["docs"] if not name.startswith("doc.dbt."))
    known["configs"] = {name: node.get("config") for name, node in manifest["nodes"].items()}
    known["warnings"] = re.findall("(?i).*(?:deprecat|warn).*", parsed.stdout)
    return {"listed": listed.stdout.split(), **known}


@pytest.fixture(scope="module")
def footprints(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after, on a project that sets no samespace var and loads no plugin."""
    project = Copy(tmp_path_factory.mktemp("importer"))
    for name, text in FILES.items():
        file = project.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project.install(None)
    before = footprint(project)
    project.install(LOCAL)
    return before, footprint(project)


def test_nothing_but_macros_was_added(footprints) -> None:
    before, after = footprints
    assert set(before["listed"]) == {"colours_view", "colours", "not_null_colours_view_colour_id"}
    assert after == before


def test_no_hook_came_with_it(footprints) -> None:
    _, after = footprints
    assert after["operations"] == []
