"""The shape of the repository: what a new macro has to bring with it, and what may not appear anywhere.

Every failure says what to add or where the thing belongs; docs/add-a-macro.md has the whole list.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from harness import REPO
from macro_index import COMMENT, MACROS, Macro, all_macros, documentation, public_macros

CONSUMER = REPO / "tests" / "consumer"
DIALECTS = REPO / "tests" / "dialects"
CODE = {".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".txt", ".csv", ".json", ".cfg", ""}
ENGINES = "duckdb|postgres|pgvector|snowflake|bigquery|redshift|databricks|spark"
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:home|Users|root|work|tmp|opt|mnt)/\w+")
LINES, BYTES = 300, 1_000_000


def repository_files() -> list[Path]:
    """Tracked and new files that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPO, capture_output=True, text=True, check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [REPO / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file() and not file.is_symlink()]


def text_of(folder: Path, *endings: str) -> str:
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in endings and file.is_file()]
    kept = [file for file in files if not {"dbt_packages", "target"} & set(file.parts)]
    return "\n".join(file.read_text() for file in kept)


PUBLIC = public_macros()
CALLED = [macro for macro in PUBLIC if macro.kind == "macro"]
GENERIC_TESTS = [macro for macro in PUBLIC if macro.kind == "test"]
name_of = pytest.mark.parametrize("macro", PUBLIC, ids=lambda macro: macro.name)


@name_of
def test_macro_is_documented(macro: Macro) -> None:
    where = f"macros/{macro.folder}/_{macro.folder}__macros.yml"
    entry = documentation().get(macro.documented_name)
    assert entry, f"add {macro.documented_name} with its arguments to {where}"
    assert entry.get("description"), f"{where}: {macro.documented_name} needs a description"
    documented = [argument["name"] for argument in entry.get("arguments", [])]
    assert documented == list(macro.arguments), f"{where}: the arguments of {macro.documented_name} differ"
    bare = [argument["name"] for argument in entry.get("arguments", []) if not argument.get("description")]
    assert not bare, f"{where}: describe {bare} of {macro.documented_name}"


@name_of
def test_macro_has_a_dialect_test(macro: Macro) -> None:
    # What belongs to the materialization is tried with it.
    texts = text_of(DIALECTS, ".py", ".sql", ".yml") + text_of(REPO / "tests" / "materialization", ".py")
    found = re.search(rf"\b{macro.name}\b", texts)
    assert found, f"add tests/dialects/test_{macro.name}.py: {macro.name} against an oracle on every target"


@pytest.mark.parametrize("macro", CALLED, ids=lambda macro: macro.name)
def test_macro_is_used_by_the_consumer(macro: Macro) -> None:
    used = re.search(rf"\bsamespace\.{macro.name}\b", text_of(CONSUMER, ".sql", ".yml", ".py"))
    assert used, f"add a thin model to tests/consumer/models that calls samespace.{macro.name}"


@pytest.mark.parametrize("macro", GENERIC_TESTS, ids=lambda macro: macro.name)
def test_generic_test_is_used_by_the_consumer(macro: Macro) -> None:
    used = re.search(rf"\bsamespace\.{macro.name}\b", text_of(CONSUMER, ".yml"))
    assert used, f"use samespace.{macro.name} on a model in a properties file of tests/consumer"


def test_documented_macros_exist() -> None:
    names = {macro.documented_name for macro in all_macros()} | {
        f"materialization_{macro.name}_default" for macro in all_macros() if macro.kind == "materialization"
    }
    gone = sorted(set(documentation()) - names)
    assert not gone, f"documented, but in no file under macros/: {gone}"


def test_macro_names_are_unique() -> None:
    names = [(macro.kind, macro.name) for macro in all_macros()]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"defined twice: {sorted(twice)}"


def test_engine_bodies_live_in_primitives() -> None:
    strays = [
        f"{macro.path.relative_to(REPO)}: {macro.name}" for macro in all_macros()
        if macro.folder != "primitives" and re.match(rf"({ENGINES})__", macro.name)
    ]
    assert not strays, f"engine SQL belongs under macros/primitives: {strays}"


def test_macros_do_not_branch_on_the_engine() -> None:
    branch = re.compile(rf"target\.type|adapter\.type\(\)\s*==|==\s*['\"]({ENGINES})['\"]")
    strays = [
        str(file.relative_to(REPO)) for file in sorted(MACROS.rglob("*.sql"))
        if "primitives" not in file.parts and branch.search(COMMENT.sub("", file.read_text()))
    ]
    assert not strays, f"ask a primitive instead of the target's type: {strays}"


def test_package_has_no_hooks() -> None:
    project = yaml.safe_load((REPO / "dbt_project.yml").read_text())
    hooks = {"on-run-start", "on-run-end", "pre-hook", "post-hook"} & set(re.findall(r"[\w-]+", str(project)))
    assert not hooks, f"dbt_project.yml: {hooks} would run in every project that installs this one"


def test_demo_is_gated() -> None:
    for folder in ("models", "seeds", "snapshots"):
        for file in (REPO / folder).rglob("*.yml"):
            entries = yaml.safe_load(file.read_text()) or {}
            named = [entry for part in ("models", "seeds", "snapshots") for entry in entries.get(part, [])]
            enabled = {entry["name"]: str((entry.get("config") or {}).get("enabled")) for entry in named}
            bare = [name for name, gate in enabled.items() if "project_name" not in gate]
            assert not bare, f"{file.name}: {bare} need enabled: \"{{{{ project_name == 'samespace' }}}}\""


def test_dbt_namespaces_stay_open() -> None:
    folders = ("dbt", "dbt/adapters", "dbt/include")
    shut = [folder for folder in folders if (REPO / "python" / folder / "__init__.py").exists()]
    assert not shut, f"an __init__.py in python/{shut} would replace dbt-core's own"


def test_library_does_not_print() -> None:
    package = REPO / "python" / "samespace"
    for file in sorted(package.rglob("*.py")):
        if file.relative_to(package).parts[0].removesuffix(".py") == "demo":
            continue
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        lines = [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
        assert not lines, f"{file.relative_to(REPO)}:{lines} print; log through the adapter instead"


def test_files_stay_small() -> None:
    big = [
        f"{file.relative_to(REPO)} has {count} lines" for file in repository_files()
        if file.suffix in {".py", ".sql"} and (count := len(file.read_text().splitlines())) > LINES
    ]
    assert not big, f"split at {LINES} lines: {big}"
    heavy = [str(file.relative_to(REPO)) for file in repository_files() if file.stat().st_size > BYTES]
    assert not heavy, f"over {BYTES:,} bytes: {heavy}"


def test_no_machine_paths() -> None:
    found = []
    for file in repository_files():
        if file.suffix not in CODE or file == Path(__file__):
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{file.relative_to(REPO)}:{number}")
    assert not found, f"absolute paths of one machine: {found}"


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    left = [
        str(file.relative_to(REPO)) for file in repository_files()
        if file.suffix in {".py", ".sql", ".yml", ".md"} and words.search(file.read_text(errors="replace"))
    ]
    assert not left, f"finish or drop the notes in {left}"
