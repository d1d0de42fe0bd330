"""One version everywhere."""

from __future__ import annotations

import re

import samespace
import yaml
from harness import REPO


def project_version() -> str:
    found = re.search(r'^version = "(.+)"$', (REPO / "pyproject.toml").read_text(), re.MULTILINE)
    assert found, "pyproject.toml: [project] needs a literal version"
    return found.group(1)


def test_python_package() -> None:
    assert samespace.__version__ == project_version()


def test_dbt_package() -> None:
    assert yaml.safe_load((REPO / "dbt_project.yml").read_text())["version"] == project_version()


def test_changelog_opens_with_it() -> None:
    headings = re.findall(r"^## (\S+)", (REPO / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == project_version(), "CHANGELOG.md: the newest section is this version's"


def test_adapters() -> None:
    for file in REPO.glob("python/dbt/adapters/*/__version__.py"):
        assert f'"{project_version()}"' in file.read_text(), f"{file.name} of {file.parent.name}"
