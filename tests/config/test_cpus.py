"""CPUs: the affinity mask, and quotas of control groups in all their layouts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wpprep.config import cpus


def layout(root: Path, files: dict[str, str], own: str) -> None:
    """Write the files of control groups, and what /proc/self/cgroup says."""
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "own").write_text(own)


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", 8),
        ({"cpu.max": "max 100000\n"}, "0::/\n", 8),
        ({"cpu.max": "100000 100000\n"}, "0::/\n", 1),
        ({"cpu.max": "250000 100000\n"}, "0::/\n", 3),  # 2.5 CPUs
        ({"cpu.max": "1000 100000\n"}, "0::/\n", 1),  # 0.01 of a CPU
        ({"a/b/cpu.max": "200000 100000\n"}, "0::/a/b\n", 2),
        ({"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 2),
        ({"c/cpu.max": "200000 100000\n"}, "0::/a/b\n", 8),  # of another group
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu:/\n", 8),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu:/\n", 2),
        (
            {"cpu,cpuacct/k/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/k/cpu.cfs_period_us": "50000\n"},
            "5:memory:/k\n4:cpu,cpuacct:/k\n",
            1,
        ),
        ({"cpu.max": "nonsense\n"}, "also nonsense\n", 8),
        ({"cpu.max": "0 0\n"}, "0::/../../x\n", 8),
    ],
)
def test_a_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], own: str, expected: int
) -> None:
    """Of eight CPUs, as many as the smallest quota of the process's groups, rounded up, at least one."""
    layout(tmp_path, files, own)
    monkeypatch.setattr(cpus, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cpus, "_OWN", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert cpus.usable_cpus() == expected
