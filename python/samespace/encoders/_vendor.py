"""Vendor libraries: import them late, keep them quiet, give them the processors we really have."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from pathlib import Path
from typing import Any

from samespace.errors import EncoderError, MissingDependencyError

_LOGGERS = ("sentence_transformers", "transformers", "huggingface_hub", "torch", "onnxruntime", "httpx")
_WARNERS = r"(torch|transformers|sentence_transformers|huggingface_hub|onnxruntime|sklearn|tokenizers)(\.|$)"
_SILENCE = {
    "TOKENIZERS_PARALLELISM": "true",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


def vendor(module: str, extra: str, model_id: str) -> Any:
    """Import a vendor module for a model.

    Raises MissingDependencyError with the pip line when the package is absent, EncoderError when it is
    installed but cannot be imported.
    """
    quiet()
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != package:
            raise EncoderError(
                f"samespace: {model_id}: '{module}' is installed but needs '{error.name}', which is not. "
                f"Repair it: pip install --upgrade 'samespace[{extra}]'"
            ) from error
        raise MissingDependencyError(
            f"samespace: {model_id} needs the Python package '{package}', which is not installed "
            f"where dbt runs. Install it: pip install 'samespace[{extra}]'"
        ) from error
    except ImportError as error:
        raise EncoderError(
            f"samespace: {model_id}: '{module}' is installed but cannot be imported: {error}. "
            f"Repair it: pip install --upgrade --force-reinstall 'samespace[{extra}]'"
        ) from error


def quiet() -> None:
    """Keep progress bars, warnings and advice of the vendor libraries out of dbt's output.

    Repeated before every load and encode: test runners and other libraries reset warning filters.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=_WARNERS)


def cpu_threads(runtime_threads: object = None) -> int:
    """Threads to compute with: ``runtime.threads``, else the CPUs this process may use.

    That is the affinity mask, cut at the container's quota: a library that counts the host's cores
    starts dozens of threads on a two-core container and spends its time at barriers.
    """
    if runtime_threads:
        return max(1, int(str(runtime_threads)))
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        allowed = os.cpu_count() or 1
    quota = _cgroup_cpus(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(1, min(allowed, int(quota) if quota else allowed))


def _cgroup_cpus(root: Path, membership: Path) -> float | None:
    """CPUs granted by cgroup v2 (``cpu.max`` of this group and its parents) or v1, None without a limit."""
    limits: list[float] = []
    for folder in _own_groups(root, membership):
        fields = _read(folder / "cpu.max").split()
        if len(fields) == 2 and fields[0].isdigit():
            limits.append(int(fields[0]) / int(fields[1]))
    for folder in (root / "cpu", root / "cpu,cpuacct"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _own_groups(root: Path, membership: Path) -> list[Path]:
    paths = [line[3:] for line in _read(membership).splitlines() if line.startswith("0::")]
    own = root / paths[0].strip("/") if paths else root
    return [folder for folder in (own, *own.parents) if folder == root or root in folder.parents]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
