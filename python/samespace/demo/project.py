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
from samespace.demo.source import Source, quote

REPO = Path(__file__).resolve().parents[3]
MAX_CLUSTERS = 50


def repository() -> Path:
    """The checkout that this package runs from. Raises DemoError for an installed wheel."""
    if not (REPO / "dbt_project.yml").is_file():
        raise DemoError("The demo needs the repository: clone samespace and run make demo in it.")
    return REPO


def cluster_count(texts: int) -> int:
    """The usual rule of thumb, the square root of half the texts, within 2 and MAX_CLUSTERS."""
    return min(texts, max(2, min(MAX_CLUSTERS, round(math.sqrt(texts / 2)))))


def write(source: Source, threshold: float, queries: list[str], folder: Path | None = None) -> Project:
    """Write the project's files below ``folder`` (unchanged ones are left alone: dbt then parses little)."""
    repo = repository()
    root = (folder or repo / ".demo").resolve() / _folder_name(source)
    for name, text in _files(source, threshold, queries, os.path.relpath(repo, root)).items():
        _write(root / name, text)
    for file in (root / "models").glob("search_*.sql"):
        if int(file.stem.split("_")[1]) > len(queries):
            file.unlink()
    return Project(root, root / "demo.duckdb")


def is_installed(project: Project) -> bool:
    """Whether dbt deps has put the package into the project."""
    return (project.root / "dbt_packages" / "samespace" / "dbt_project.yml").is_file()


def _folder_name(source: Source) -> str:
    identity = json.dumps([str(source.path), source.key, source.text])
    slug = re.sub(r"[^a-z0-9]+", "_", source.path.stem.lower()).strip("_") or "file"
    return f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:4]}"


def _files(source: Source, threshold: float, queries: list[str], package: str) -> dict[str, str]:
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
        "profiles.yml": _yaml({"file_demo": {"target": "duckdb", "outputs": {"duckdb": {
            "type": "duckdb", "path": "demo.duckdb", "threads": 2,
            "plugins": [{"module": "samespace.duckdb_plugin"}],
        }}}}),
        **{f"models/{name}.sql": text for name, text in _models(source, threshold).items()},
    }  # fmt: skip
    for number, query in enumerate(queries, start=1):
        body = f"{{{{ samespace.search(ref('embeddings'), {_jinja(query)}, k=5) }}}}\n"
        files[f"models/search_{number}.sql"] = "{{ config(materialized='table') }}\n\n" + body
    return files


def _models(source: Source, threshold: float) -> dict[str, str]:
    key, text = _jinja(source.key), _jinja(source.text)
    columns = ", ".join(dict.fromkeys([quote(source.key), quote(source.text)]))
    k = cluster_count(source.texts)
    bodies = {
        "source_rows": f"""
            {{{{ config(materialized='table') }}}}

            select * from {source.scan}
            """,
        "embeddings": f"""
            {{{{ config(materialized='embedding', model='minilm', key={key}, text={text}) }}}}

            select {columns} from {{{{ ref('source_rows') }}}}
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
