"""Who may import what (DESIGN 3), read from the source and tried in a fresh interpreter."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from harness import REPO

if sys.version_info >= (3, 11):
    import tomllib
else:  # Python 3.10 has no TOML reader of its own
    import tomli as tomllib

SOURCE = REPO / "python"
PACKAGE = SOURCE / "samespace"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "numpy", "duckdb", "psycopg", "psycopg2", "dbt", "pyarrow", "sklearn", "transformers"}

# Layer of a module, its place in the order, and the libraries it may import anywhere in the file.
STDLIB = (0, frozenset[str]())
KERNEL = (1, frozenset({"numpy", "pyarrow"}))
ENCODER = (2, frozenset({"numpy"}))
ENGINE = (3, frozenset({"numpy", "pyarrow", "duckdb", "psycopg", "psycopg2", "dbt"}))
TOP = (4, None)
LAYERS = {
    "__init__": STDLIB, "errors": STDLIB, "spec": STDLIB, "kernels": KERNEL, "encoders": ENCODER,
    "canaries": ENGINE, "duckdb_plugin": ENGINE, "io": ENGINE, "pump": ENGINE,
    "cli": TOP, "demo": TOP,
}


def part_of(file: Path) -> str:
    """``kernels`` for samespace/kernels/pairs.py, ``pump`` for samespace/pump.py."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(file: Path) -> tuple[int, frozenset[str] | None]:
    part = part_of(file)
    # A further module of the package itself is engine code: it may use drivers, not vendors of encoders.
    return LAYERS.get(part, ENGINE)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Every imported module with whether it happens inside a function; types-only imports are left out."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, inside
        else:
            yield from imports(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def third_party(file: Path) -> list[tuple[str, bool]]:
    found = [(name.split(".")[0], inside) for name, inside in imports(ast.parse(file.read_text()))]
    return [(name, inside) for name, inside in found if name not in sys.stdlib_module_names | {"samespace"}]


def own(file: Path) -> list[Path]:
    names = [name for name, _ in imports(ast.parse(file.read_text())) if name.startswith("samespace.")]
    return [PACKAGE / name.split(".")[1] for name in names]


def extras() -> dict[str, list[str]]:
    return tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def libraries(*names: str) -> set[str]:
    """Distributions that these extras install."""
    requirements = [requirement for name in names for requirement in extras().get(name, [])]
    return {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}


def distributions_of(module: str) -> set[str]:
    return {name.lower() for name in packages_distributions().get(module, [module])}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_libraries(file: Path) -> None:
    _, allowed = layer(file)
    if allowed is None or part_of(file) == "encoders":
        return
    strays = {name for name, _ in third_party(file)} - allowed
    if part_of(file) == "kernels" and ("torch", False) not in third_party(file):
        # Where it is installed kernels multiply with it: inside functions, so that no one needs it.
        strays -= {"torch"}
    assert not strays, f"{part_of(file)} may import {sorted(allowed) or 'only the stdlib'}, not {strays}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_direction(file: Path) -> None:
    height, _ = layer(file)
    upward = [module.name for module in own(file) if layer(module)[0] > height]
    assert not upward, f"{file.relative_to(PACKAGE)} imports upward: {upward}"


@pytest.mark.parametrize("file", sorted((PACKAGE / "encoders").glob("*.py")), ids=lambda file: file.stem)
def test_encoders_import_their_vendor_inside_functions(file: Path) -> None:
    outside = {name for name, inside in third_party(file) if not inside} - {"numpy"}
    assert not outside, f"import {outside} inside a function: another provider's users do not have it"


@pytest.mark.parametrize("file", sorted((PACKAGE / "encoders").glob("*.py")), ids=lambda file: file.stem)
def test_vendor_libraries_are_in_the_extra_of_the_provider(file: Path) -> None:
    provider = file.stem.replace("_", "-")
    used = {name for name, _ in third_party(file)} - {"numpy", "pyarrow"}
    # A module with a leading underscore serves several providers: any of their extras will do.
    shared = file.stem.startswith("_")
    listed = libraries(*extras()) if shared else libraries(provider)
    lacking = [name for name in used if not distributions_of(name) & listed]
    assert not lacking, f"pyproject.toml: add {lacking} to {'the extras' if shared else provider!r}"


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after one statement."""
    script = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(SOURCE)},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["samespace", "samespace.errors", "samespace.spec"])
def test_light_modules_load_no_library(module: str) -> None:
    # dbt-core and setuptools drop .pth files that may import a name at start-up: compare with a bare start.
    assert not (loaded_by(f"import {module}") - loaded_by("pass")) & HEAVY


@pytest.mark.parametrize(
    "module", ["samespace.encoders", "samespace.duckdb_plugin", "samespace.kernels.top_k"]
)
def test_no_module_loads_a_model_library(module: str) -> None:
    vendors = {"torch", "sentence_transformers", "transformers", "onnxruntime", "sklearn"}
    assert not loaded_by(f"import {module}") & vendors
