"""Options for workers, nodes and memory; they do not change the output."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wpprep.config.cpus import usable_cpus
from wpprep.config.fields import OptionSet, check, check_least, fill, option
from wpprep.errors import OptionError

ENGINES = ("serial", "local", "dask")
LEAST_PROCESS_BYTES = 250_000_000  # private memory; Python, Numba and the libraries take about 110 MB of it


@dataclass(frozen=True, kw_only=True)
class EngineOptions(OptionSet):
    """Where tasks run: this process, local worker processes, or Dask."""

    workers: int = option(None, "Number of worker processes. [default: the number of usable CPUs]")
    engine: str = option(
        None,
        "Where tasks run: this process, local worker processes, or a Dask cluster. [default: local; dask with "
        "a scheduler]",
        choices=ENGINES,
    )
    scheduler: str | None = option(None, "Address of a Dask scheduler, such as tcp://node-1:8786.")
    scheduler_file: str | None = option(
        None, "File that contains the address of a Dask scheduler (its --scheduler-file)."
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        fill(self, "workers", usable_cpus())
        fill(self, "engine", "dask" if self.scheduler or self.scheduler_file else "local")
        super().__post_init__()
        check_least(self, "workers", 1)
        has_address = bool(self.scheduler) + bool(self.scheduler_file)
        check(
            has_address == (self.engine == "dask"),
            f"engine is {self.engine} with {has_address} of scheduler and scheduler_file, expected one of "
            "them with the engine dask, and none with another engine",
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions(EngineOptions):
    """Options for running a command; they do not change the output."""

    node: str | None = option(
        None, "Number of this node, as I/N: node I of N nodes that share the output folder."
    )
    node_timeout: float = option(120.0, "Seconds without a heartbeat after which a node is considered lost.")
    slice_bytes: int = option(16_000_000, "Target size of the slices of the corpus, in bytes.")
    cache_memory: int = option(
        256_000_000, "Size of the cache of token ids of frequent words in each encoding process, in bytes."
    )
    overwrite: bool = option(
        False, "Replace the contents of the output folder.", flags="--overwrite/--no-overwrite"
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        check_least(self, "slice_bytes", 1)
        check_least(self, "cache_memory", 0)
        _check_node(self)


def _check_node(options: RunOptions) -> None:
    check(options.node_timeout > 0, f"node_timeout is {options.node_timeout}, expected above 0")
    if options.node is not None:
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", options.node)
        is_good = found is not None and int(found[1]) <= int(found[2])
        check(is_good, f"node is {options.node!r}, expected I/N with I from 1 to N, such as 1/4")
        check(
            not options.overwrite,
            "--overwrite cannot be used with --node, because nodes share the folder: remove the folder first",
        )


@dataclass(frozen=True, kw_only=True)
class CountRunOptions(RunOptions):
    """Options for running a command that counts words, with a limit on memory."""

    memory: str | None = option(
        None,
        "Memory for counting, the sum of all processes, such as 600MB; each process needs 250MB, and without "
        "--workers there are as many as fit. [default: 2GB, or 500MB per process if that is more]",
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        OptionSet.__post_init__(self)  # before a value is used
        given: int | None = self.workers
        if given is None and self.memory is not None:
            fitting = self.memory_bytes // LEAST_PROCESS_BYTES - 1  # the main process takes one part
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
        """Number of processes: the workers, and with several of them the main process."""
        return self.workers + 1 if self.workers > 1 else 1

    @property
    def memory_bytes(self) -> int:
        """``memory`` as a number of bytes.

        >>> CountRunOptions(memory="1.5GB", workers=2).memory_bytes
        1500000000
        """
        if self.memory is None:
            return max(2_000_000_000, 2 * self.processes * LEAST_PROCESS_BYTES)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", self.memory.strip(), re.IGNORECASE)
        if not found:
            raise OptionError(f"memory is {self.memory!r}, expected a size such as 500MB or 2GB")
        return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))
