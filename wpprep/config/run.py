"""How work is done; none of it changes a byte of the result."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from wpprep.config.fields import OptionSet, check, check_least, fill, option
from wpprep.errors import OptionError

ENGINES = ("serial", "local", "dask")
LEAST_PROCESS_BYTES = 250_000_000  # of its own, of which Python, Numba and the libraries take about 110


@dataclass(frozen=True, kw_only=True)
class EngineOptions(OptionSet):
    """Who works."""

    workers: int = option(None, "Processes that share the work. [default: the usable CPUs]")
    engine: str = option(
        None,
        "Who works: this process, processes of this machine, or a Dask cluster. [default: local; dask with "
        "a scheduler]",
        choices=ENGINES,
    )
    scheduler: str | None = option(None, "Address of a Dask scheduler, such as tcp://node-1:8786.")
    scheduler_file: str | None = option(None, "File in which a Dask scheduler has written its address.")

    def __post_init__(self) -> None:
        fill(self, "workers", usable_cpus())
        fill(self, "engine", "dask" if self.scheduler or self.scheduler_file else "local")
        super().__post_init__()
        check_least(self, "workers", 1)
        has_address = bool(self.scheduler) + bool(self.scheduler_file)
        check(
            has_address == (self.engine == "dask"),
            f"engine is {self.engine} with {has_address} of scheduler and scheduler_file, expected one of "
            "these with the engine dask and none with another",
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions(EngineOptions):
    """How the work is done; none of it changes a byte of the result."""

    node: str | None = option(None, "I/N: share the output folder with N - 1 other nodes, as number I of 1..N.")
    node_timeout: float = option(120.0, "Seconds without a sign of life after which a node is given up.")
    slice_bytes: int = option(16_000_000, "Target size of the pieces the corpus is cut into.")
    cache_memory: int = option(
        256_000_000, "Bytes in which each process remembers the ids of frequent words when it encodes."
    )
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, "slice_bytes", 1)
        check_least(self, "cache_memory", 0)
        _check_node(self)

    @property
    def among_nodes(self) -> dict[str, Any]:
        """Whose the output folder is to be: arguments of `OutputFolder.claim`."""
        return {"overwrite": self.overwrite, "node": self.node, "node_timeout": self.node_timeout}


def _check_node(options: RunOptions) -> None:
    check(options.node_timeout > 0, f"node_timeout is {options.node_timeout}, expected above 0")
    if options.node is not None:
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", options.node)
        is_good = found is not None and int(found[1]) <= int(found[2])
        check(is_good, f"node is {options.node!r}, expected I/N with I from 1 to N, such as 1/4")
        check(
            not options.overwrite,
            "overwrite is no option of a node, which shares the folder: remove it first",
        )


@dataclass(frozen=True, kw_only=True)
class CountRunOptions(RunOptions):
    """How counting is done: as all work, and within so much memory."""

    memory: str | None = option(
        None,
        "Memory for counting, all processes together, such as 600MB; each needs 250MB, and without WORKERS "
        "there are as many as fit. [default: 2GB, or 500MB a process]",
    )

    def __post_init__(self) -> None:
        OptionSet.__post_init__(self)  # before a value is used
        given: int | None = self.workers
        if given is None and self.memory is not None:
            fitting = self.memory_bytes // LEAST_PROCESS_BYTES - 1  # besides the one that hands out the work
            object.__setattr__(self, "workers", max(1, min(usable_cpus(), fitting)))
        super().__post_init__()
        least = self.processes * LEAST_PROCESS_BYTES
        check(
            self.memory_bytes >= least,
            f"memory is {self.memory}, expected at least {least // 10**6}MB, 250MB for each process "
            f"({self.processes} with workers {self.workers}); fewer workers need less",
        )

    @property
    def processes(self) -> int:
        """Processes that count: workers, and the one that hands out the work if there are several."""
        return self.workers + 1 if self.workers > 1 else 1

    @property
    def memory_bytes(self) -> int:
        """``memory`` as a number.

        >>> CountRunOptions(memory="1.5GB", workers=2).memory_bytes
        1500000000
        """
        if self.memory is None:
            return max(2_000_000_000, 2 * self.processes * LEAST_PROCESS_BYTES)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", self.memory.strip(), re.IGNORECASE)
        if not found:
            raise OptionError(f"memory is {self.memory!r}, expected a size such as 500MB or 2GB")
        return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


def usable_cpus() -> int:
    """CPUs this process may run on (its affinity mask where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
