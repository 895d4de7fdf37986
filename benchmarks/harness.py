"""Shared code of the benchmarks: run wpprep and its peers in turns on the same input, and print a table.

Every measurement is a separate process, pinned to the number of cores that the benchmark states. In it the
contender *prepares* (imports, reads the input, compiles on a small part of it: not timed) and then
*works* (timed). Contenders alternate in every round, so that a slow minute of the machine affects all of
them. For a peer that is not installed, the command to install it is printed; wpprep depends on none of them.

    CONTENDERS = [Contender("wpprep", prepare_ours), Contender("tokenizers", prepare_theirs, "tokenizers")]
    CASES = {"en": Case("wiki-en", ...)}
    if __name__ == "__main__":
        main(__doc__, CASES, CONTENDERS)

Real text is read from the folder that WPPREP_DATA names (default: ../shared/data).
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("WPPREP_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Work:
    """The timed part of a contender.

    Attributes:
        run: the work; returns the number of results, to compare contenders.
        size: bytes of input.
        written: called after the clock has stopped; returns the bytes of the results on disk.
    """

    run: Callable[[], int]
    size: int
    written: Callable[[], int] | None = None


@dataclass(frozen=True)
class Contender:
    """One implementation.

    Attributes:
        name: name in the table.
        prepare: prepares a case and returns the work; None if the contender does not support the case.
        module: module that must be importable; empty for none.
        package: name for pip, if it differs from the module.
    """

    name: str
    prepare: Callable[[Any], Work | None]
    module: str = ""
    package: str = ""

    @property
    def missing(self) -> bool:
        """Whether the contender is not installed."""
        return bool(self.module) and importlib.util.find_spec(self.module) is None


def text_of(folder: str, megabytes: float | None = None) -> bytes:
    """Return the decompressed text of a folder of the data, cut after a whole line at the given size."""
    data = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((DATA / folder).glob("*.gz")))
    if megabytes is None or len(data) <= megabytes * 1e6:
        return data
    return data[: data.index(b"\n", int(megabytes * 1e6)) + 1]


def main(title: str, cases: dict[str, Any], contenders: Sequence[Contender], base: str = "wpprep") -> None:
    """Parse the command line, measure, and print one table per case."""
    parser = argparse.ArgumentParser(description=title.partition("\n")[0])
    parser.add_argument("--cases", nargs="*", default=list(cases), choices=list(cases))
    parser.add_argument("--only", nargs="*", default=[c.name for c in contenders], help="contenders to run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=1, help="cores for each contender")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    by_name = {contender.name: contender for contender in contenders}
    if options.worker:
        case, name = options.worker
        print(json.dumps(_measure(by_name[name], cases[case], options.cores)))
        return
    if not DATA.is_dir():
        sys.exit(f"no real text in {DATA} (set WPPREP_DATA)")
    for contender in contenders:
        if contender.missing:
            print(f"{contender.name} is not installed: pip install {contender.package or contender.module}")
    running = [by_name[name] for name in options.only if not by_name[name].missing]
    for case in options.cases:
        print(f"\n{case}: {cases[case]}; {options.cores} core(s), {options.rounds} round(s)", flush=True)
        results: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in running}
        for _ in range(options.rounds):
            for contender in running:
                measured = _in_fresh_process(case, contender.name, options.cores)
                if measured is not None:
                    results[contender.name].append(measured)
        _print_table(results, base)


def _in_fresh_process(case: str, name: str, cores: int) -> dict[str, float] | None:
    environment = os.environ | {"RAYON_NUM_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)}
    environment |= {"TOKENIZERS_PARALLELISM": "true" if cores > 1 else "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, sys.argv[0], "--cores", str(cores), "--worker", case, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{name} failed on {case}: {done.stderr.strip().splitlines()[-1:]}")
        return None
    result = json.loads(done.stdout.splitlines()[-1])
    return dict(result) if result else None


def _measure(contender: Contender, case: Any, cores: int) -> dict[str, float] | None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    work = contender.prepare(case)
    if work is None:
        return None
    before, cpu_before = time.perf_counter(), _processor_seconds()
    made = work.run()
    seconds, cpu = time.perf_counter() - before, _processor_seconds() - cpu_before
    of_each = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    measured = {"seconds": seconds, "cpu": cpu, "size": work.size, "made": made, "peak": max(of_each) / 1024}
    return measured | ({"written": work.written()} if work.written else {})


def _processor_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _print_table(results: dict[str, list[dict[str, float]]], base: str) -> None:
    """Print the median, slowest and fastest round, and the ratio of the base to each contender.

    The columns by CPU time use the best round: on a busy machine they are more reliable.
    """
    by_cpu, speeds = (
        {
            name: sorted(m["size"] / m[clock] / 1e6 for m in measured)
            for name, measured in results.items()
            if measured
        }
        for clock in ("cpu", "seconds")
    )
    header = f"{'':24}{'MB/s':>8}{'slowest':>9}{'fastest':>9}{base + ' is':>12}{'MB/CPU s':>10}{'ratio':>8}"
    print(
        f"{header}{'input MB':>10}{'made':>12}{'peak MB':>9}{'made/s':>11}{'made/CPU s':>11}{'bytes each':>11}"
    )
    for name, sorted_speeds in speeds.items():
        median, first = statistics.median(sorted_speeds), results[name][0]
        made = first["made"] / first["size"] * 1e6  # a megabyte
        each = f"{first['written'] / first['made']:,.0f}" if "written" in first else ""
        ratio = f"{statistics.median(speeds[base]) / median:.2f} x" if base in speeds else ""
        print(
            f"{name:24}{median:8.2f}{sorted_speeds[0]:9.2f}{sorted_speeds[-1]:9.2f}{ratio:>12}"
            f"{by_cpu[name][-1]:10.1f}{by_cpu[base][-1] / by_cpu[name][-1] if base in by_cpu else 0.0:8.2f}"
            f"{first['size'] / 1e6:10.1f}{first['made']:12.0f}{first['peak']:9.0f}"
            f"{made * median:11,.0f}{made * by_cpu[name][-1]:11,.0f}{each:>11}",
            flush=True,
        )
