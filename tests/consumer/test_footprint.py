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
MODELS = {"vars": {"samespace_models": {
    "letters": {"provider": "hashing", "model": "char-ngrams", "dimension": 64},
}}}
PROFILE = {"importer": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": "importer.duckdb"}}}}
FILES = {
    "profiles.yml": yaml.safe_dump(PROFILE),
    "seeds/colours.csv": "colour_id,colour\n1,red\n",
    "models/colours_view.sql": "select * from {{ ref('colours') }}\n",
    # Names that the demo of the package has too: its tests must not settle on them.
    "seeds/support_tickets.csv": "ticket_id,body\n1,hello\n",
    "models/ticket_embeddings.sql": "select * from {{ ref('support_tickets') }}\n",
    "models/models.yml": yaml.safe_dump({
        "models": [{"name": "colours_view", "columns": [{"name": "colour_id", "data_tests": ["not_null"]}]}],
    }),
}
RESOURCES = ["nodes", "sources", "exposures", "metrics", "groups", "selectors", "saved_queries",
             "semantic_models", "unit_tests"]


def footprint(project: Copy) -> dict[str, Any]:
    """What dbt knows of the project: listed resources, everything in the manifest but macros, warnings."""
    strict = ["--warn-error", "--show-all-deprecations", "--no-partial-parse"]
    done = project.dbt(*strict, "ls", "--output", "name", fresh=True)
    assert done.returncode == 0, done.stdout
    manifest = json.loads((project.root / "target" / "manifest.json").read_text())
    # dbt keeps the data tests of a disabled model in the manifest, disabled as well: never listed, never run.
    manifest["nodes"] = {name: node for name, node in manifest["nodes"].items() if node["config"]["enabled"]}
    known = {kind: sorted(manifest.get(kind) or {}) for kind in RESOURCES}
    # The hooks of all packages are operations.
    known["operations"] = sorted(name for name in manifest["nodes"] if name.startswith("operation."))
    known["docs"] = sorted(name for name in manifest["docs"] if not name.startswith("doc.dbt."))
    known["configs"] = {name: node.get("config") for name, node in manifest["nodes"].items()}
    known["warnings"] = re.findall("(?i).*(?:deprecat|warn).*", done.stdout)
    listed = [line for line in done.stdout.splitlines() if re.fullmatch(r"\w+", line)]
    return {"listed": listed, **known}


@pytest.fixture(scope="module", params=[{}, MODELS], ids=["without_vars", "with_models"])
def footprints(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after, on a project that loads no plugin."""
    project = Copy(tmp_path_factory.mktemp("importer"))
    files = {**FILES, "dbt_project.yml": yaml.safe_dump({**PROJECT, **request.param})}
    for name, text in files.items():
        file = project.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    before = footprint(project)
    project.install(LOCAL)
    return before, footprint(project)


def test_nothing_but_macros_was_added(footprints) -> None:
    before, after = footprints
    own = {"colours_view", "colours", "support_tickets", "ticket_embeddings"}
    assert set(before["listed"]) == own | {"not_null_colours_view_colour_id"}
    assert after == before


def test_no_hook_came_with_it(footprints) -> None:
    _, after = footprints
    assert after["operations"] == []
