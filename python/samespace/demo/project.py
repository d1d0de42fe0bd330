"""A small dbt project around the user's file, in a folder that git ignores."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from samespace.demo.dbt import Project
from samespace.demo.errors import DemoError
from samespace.demo.places import Place
from samespace.demo.source import Source, quote

REPO = Path(__file__).resolve().parents[3]
MAX_CLUSTERS = 50
ROWS = "source_rows"


def repository() -> Path:
    """The checkout that this package runs from. Raises DemoError for an installed wheel."""
    if not (REPO / "dbt_project.yml").is_file():
        raise DemoError("The demo needs the repository: clone samespace and run make demo in it.")
    return REPO


def cluster_count(texts: int) -> int:
    """The usual rule of thumb, the square root of half the texts, within 2 and MAX_CLUSTERS."""
    return min(texts, max(2, min(MAX_CLUSTERS, round(math.sqrt(texts / 2)))))


def folder(source: Source, target: str, parent: Path | None = None) -> Path:
    """Where the project of a file goes: its own folder per file, columns and target."""
    identity = json.dumps([str(source.path), source.key, source.text])
    slug = re.sub(r"[^a-z0-9]+", "_", source.path.stem.lower()).strip("_") or "file"
    name = f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:4]}"
    return (parent or repository() / ".demo").resolve() / (name if target == "duckdb" else f"{name}-{target}")


def schema(root: Path, target: str) -> str:
    """The schema of a file's tables. A DuckDB file holds one file only; a server has one schema for each."""
    if target == "duckdb":
        return "main"
    slug, _, digest = root.name.removesuffix(f"-{target}").rpartition("-")
    return f"file_{slug[:50]}_{digest}"


def write(root: Path, source: Source, place: Place, threshold: float, queries: list[str]) -> Project:
    """Write the project's files below ``root`` (unchanged ones are left alone: dbt then parses little)."""
    package = os.path.relpath(repository(), root)
    for name, text in _files(source, place, threshold, queries, package).items():
        _write(root / name, text)
    for file in (root / "models").glob("search_*.sql"):
        if int(file.stem.split("_")[1]) > len(queries):
            file.unlink()
    return Project(root, place)


def is_installed(project: Project) -> bool:
    """Whether dbt deps has put the package into the project."""
    return (project.root / "dbt_packages" / "samespace" / "dbt_project.yml").is_file()


def _files(
    source: Source, place: Place, threshold: float, queries: list[str], package: str
) -> dict[str, str]:
    files = {
        "dbt_project.yml": _yaml(
            {
                "name": "samespace_file_demo", "version": "1.0.0", "config-version": 2,
                "profile": "file_demo", "model-paths": ["models"],
                "flags": {"send_anonymous_usage_stats": False},
                "vars": {"samespace_models": _demo_models()},
            }
        ),
        "packages.yml": _yaml({"packages": [{"local": package}]}),
        "profiles.yml": _yaml(
            {"file_demo": {"target": place.target, "outputs": {place.target: place.output}}}
        ),
        **_rows(source, place),
        **{f"models/{name}.sql": text for name, text in _models(source, threshold, place).items()},
    }  # fmt: skip
    for number, query in enumerate(queries, start=1):
        body = f"{{{{ samespace.search(ref('embeddings'), {_jinja(query)}, k=5) }}}}\n"
        files[f"models/search_{number}.sql"] = "{{ config(materialized='table') }}\n\n" + body
    return files


def _rows(source: Source, place: Place) -> dict[str, str]:
    """DuckDB reads the file itself; another database finds its rows in a table that was loaded."""
    if place.target == "duckdb":
        return {
            "models/source_rows.sql": "{{ config(materialized='table') }}\n\n"
            f"select * from {source.scan}\n"
        }
    loaded = {"name": "file", "schema": place.schema, "tables": [{"name": ROWS}]}
    return {"models/_sources.yml": _yaml({"version": 2, "sources": [loaded]})}


def _models(source: Source, threshold: float, place: Place) -> dict[str, str]:
    rows = f"ref('{ROWS}')" if place.target == "duckdb" else f"source('file', '{ROWS}')"
    key, text = _jinja(source.key), _jinja(source.text)
    columns = ", ".join(dict.fromkeys([quote(source.key), quote(source.text)]))
    k = cluster_count(source.texts)
    bodies = {
        "embeddings": f"""
            {{{{ config(materialized='embedding', model='minilm', key={key}, text={text}) }}}}

            select {columns} from {{{{ {rows} }}}}
            """,
        "duplicates": f"""
            {{{{ config(materialized='table') }}}}

            {{{{ samespace.duplicates(ref('embeddings'), threshold={threshold}) }}}}
            """,
        "clusters": f"""
            {{{{ config(materialized='table') }}}}

            {{{{ samespace.clusters(ref('embeddings'), k={k}) }}}}
            """,
        "cluster_labels": """
            {{ config(materialized='table') }}

            {{ samespace.cluster_labels(ref('clusters'), ref('embeddings'), terms=5) }}
            """,
    }
    return {name: dedent(body).lstrip() for name, body in bodies.items()}


def _demo_models() -> Any:
    """The embedding models of the repository's own demo: one definition for both."""
    import yaml

    return yaml.safe_load((repository() / "dbt_project.yml").read_text(encoding="utf-8"))["vars"][
        "samespace_models"
    ]


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _jinja(text: str) -> str:
    """A text as a Jinja string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
