"""How many CPUs this process may use: its affinity mask, and the CPU quota of its control groups.

A container that may use one CPU of many (``docker --cpus 1``, a limit of Kubernetes) sees all of them in its
affinity mask; the quota is in the files of cgroup v2 (``cpu.max``) or v1 (``cpu.cfs_quota_us``).
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cpus() -> int:
    """Return the number of CPUs of the affinity mask, or of the smallest quota, rounded up, if that is less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(_ROOT, _OWN)]
    return max(1, min([allowed, *quotas]))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """Yield the quotas, in CPUs, of the control groups of this process and of those that contain them."""
    for folder in _folders(root, own):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()  # v2: "max 100000", or "150000 100000"
            yield int(quota) / int(period)
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:  # v1: -1 is none
                yield int(quota) / int(period)


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders in which a quota may be, from the root of each hierarchy to this process's group."""
    groups = [(root, "/"), (root / "cpu", "/"), (root / "cpu,cpuacct", "/")]
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():  # "0::/a/b" for v2, "4:cpu,cpuacct:/a/b" for v1
            _, controllers, path = line.split(":", 2)
            if not controllers:
                groups.append((root, path))
            elif "cpu" in controllers.split(","):
                groups += [(root / "cpu", path), (root / controllers, path)]
    for folder, path in groups:
        inside = Path(path.lstrip("/"))
        for part in [*reversed(inside.parents), inside]:
            if ".." not in part.parts:
                yield folder / part
