"""What a figure belongs to: cores, units, memory, date, versions. No names of hosts, no paths."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

UNITS = ("amx_bf16", "avx512_bf16", "amx_int8", "avx512f", "avx2", "asimd")
PACKAGES = {
    "torch": "torch", "sentence_transformers": "sentence-transformers", "transformers": "transformers",
    "onnxruntime": "onnxruntime", "openvino": "openvino", "numpy": "numpy", "pyarrow": "pyarrow",
    "duckdb": "duckdb", "faiss": "faiss-cpu", "sklearn": "scikit-learn", "usearch": "usearch",
    "hnswlib": "hnswlib", "semhash": "semhash", "psycopg": "psycopg", "psycopg2": "psycopg2-binary",
    "dbt": "dbt-core", "tokenizers": "tokenizers",
}  # fmt: skip


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def units() -> list[str]:
    """The CPU's units for matrix products that the benchmarks care about; empty where they cannot be read."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    line = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    found = set(line.split())
    return [unit for unit in UNITS if unit in found]


def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware."""
    return bool({"amx_bf16", "avx512_bf16"} & set(units()))


def memory_gib() -> int:
    """Physical memory, in GiB."""
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)


def versions(also: Iterable[str] = ()) -> dict[str, str]:
    """Versions of the packages this process has imported, and of those named in ``also``."""
    names = {name for module, name in PACKAGES.items() if module in sys.modules} | set(also)
    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def load() -> float:
    """The load average of the last minute: what else was running; 0.0 where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0


LOAD_AT_START = load()


def describe(also: Iterable[str] = ()) -> dict[str, object]:
    """The header of a report; the load is that of the moment this module was imported."""
    return {
        "cores": cores(),
        "architecture": platform.machine(),
        "units": units(),
        "memory_gib": memory_gib(),
        "load_before": LOAD_AT_START,
        "environment": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY") if name in os.environ
        },
        "date": datetime.date.today().isoformat(),
        "versions": versions(also),
    }
