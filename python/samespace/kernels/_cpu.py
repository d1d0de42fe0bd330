"""What this process may compute with: its processors, and whether they multiply bfloat16 matrices."""

from __future__ import annotations

import os
from pathlib import Path

_UNITS = {"amx_bf16", "avx512_bf16"}


def has_bf16_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 in hardware (Intel AMX, AVX-512 BF16), as Linux says.

    Elsewhere the answer is no: without the units bfloat16 is slower than float32. SAMESPACE_NO_BF16=1 in the
    environment says no everywhere.
    """
    if os.environ.get("SAMESPACE_NO_BF16", "") not in ("", "0"):
        return False
    for line in _read(cpuinfo).splitlines():
        if line.startswith("flags"):
            return bool(_UNITS & set(line.split()))
    return False


def has_nvidia() -> bool:
    """Whether an NVIDIA driver is loaded, asked without importing anything that takes long."""
    return Path("/proc/driver/nvidia").exists() or os.name == "nt"


def cpu_threads(given: object = None) -> int:
    """Threads to compute with: ``given``, else the CPUs this process may use.

    That is the affinity mask, cut at the container's quota: a library that counts the host's cores
    starts dozens of threads on a two-core container and spends its time at barriers.
    """
    if given:
        return max(1, int(str(given)))
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
