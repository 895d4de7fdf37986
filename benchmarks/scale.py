"""Cost of planning and bookkeeping for 10 TB of text: 600,000 slices, 5 billion documents, 100,000 shards.

    python benchmarks/scale.py            # three sizes, the largest a hundredth of that
    python benchmarks/scale.py --full     # also a tenth and 10 TB; needs 25 GB of disk and hours

No text is read: every step that handles the whole corpus runs on synthetic figures, in a separate process.
Columns: seconds, and peak private memory (without pages of mapped files, which the system can reclaim). The
last column is the growth from one size to the next, 1.0 if ten times the size takes ten times as long.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

WHOLE = {"slices": 600_000, "documents": 5_000_000_000, "shards": 100_000}
SHARES = (0.0001, 0.001, 0.01)


def plan(size: dict[str, int], folder: Path) -> str:
    """Make the slices of 10,000 files, as tasks, and their plan."""
    from wpprep.config import CorpusOptions, as_dict
    from wpprep.corpus.tasks import bytes_of, plan_of
    from wpprep.jobs.claims import Claims
    from wpprep.records import Slice

    n = size["slices"]
    paths = [str(folder / f"wiki-{k:05}.txt") for k in range(max(1, n // 60))]
    for path in paths:
        with open(path, "wb") as file:
            os.truncate(file.fileno(), 10**9)  # sparse: takes no disk
    tasks = [[Slice(paths[k * len(paths) // n], "lines", k % 60 * 16_000_000, 0)] for k in range(n)]
    plan_of(as_dict(CorpusOptions()), None, tasks)
    named = {f"part-{k:05}.arrow": slices for k, slices in enumerate(tasks)}
    sum(bytes_of(slice_) for slices in tasks for slice_ in slices)
    Claims(folder, "7/64", 60).order(named)
    return f"{n:,} slices"


def bookkeep(size: dict[str, int], folder: Path) -> str:
    """Run the tasks of the shards, which only return the receipt of a shard, and sum the receipts."""
    from wpprep.config import RunOptions
    from wpprep.instances.statistics import sum_statistics
    from wpprep.jobs.job import Job
    from wpprep.jobs.plans import files_in
    from wpprep.storage.manifest import Manifest, read_manifest

    n = size["shards"]
    plan = {"options": {}, "vocabulary": None, "corpus": "0"}
    with Job.begin(folder / "out", "shards", plan, RunOptions(workers=1)) as job:
        names = [f"shard-{k:05}-of-{n:05}.arrow" for k in range(n)]
        tasks = {name: (name, k) for k, name in enumerate(names)}
        receipts = job.run_tasks("shard", partial(_make, job.path), tasks, dict.fromkeys(names, 1))
        job.finish(
            Manifest(
                kind="shards",
                options={},
                files=files_in(receipts),
                corpus={"identity": "0"},
                statistics=sum_statistics(receipts),
            )
        )
    assert len(read_manifest(folder / "out").files) == n
    return f"{n:,} shards"


def _make(folder: Path) -> Callable[[tuple[str, int]], dict[str, Any]]:
    statistics = dict.fromkeys(("rows", "tokens", "predictions", "masked", "random", "random_next"), 1000000)

    def work(task: tuple[str, int]) -> dict[str, Any]:
        (folder / task[0]).touch()
        shard = {"name": task[0], "rows": 40_000, "tokens": 20_000_000, "bytes": 64_000_000, "sha256": "0" * 64}
        histogram = {"length_histogram": [70_000 + k for k in range(513)]}
        return {"shards": [shard], "statistics": statistics | histogram, "of_bins": [statistics | histogram]}

    return work


def deal(size: dict[str, int], folder: Path) -> str:
    """Divide five passes over the documents, one in a hundred held out, into shards of equal size in tokens."""
    import numpy as np

    from wpprep.config import ShardOptions
    from wpprep.shards.split import share_out, split_documents

    n = size["documents"]
    with open(folder / "counts", "wb") as file:
        for start in range(0, n, 10_000_000):
            generator = np.random.default_rng(start)
            some = generator.geometric(1 / 500, min(10_000_000, n - start))
            file.write(some.astype(np.uint32).tobytes())
    counts = np.asarray(np.memmap(folder / "counts", np.uint32, "r"))
    options = ShardOptions(holdout=0.01, shards=size["shards"])
    trained, _ = split_documents(n, options)
    started = time.perf_counter()
    bounds = share_out(counts, trained, options, "uint16")
    assert len(bounds) == size["shards"] + 1
    return f"{n:,} documents, {time.perf_counter() - started:.1f} s of it the walk"


STEPS = {"plan": plan, "bookkeep": bookkeep, "deal": deal}


def measure(step: str, share: float) -> tuple[str, float, float]:
    """Run a step in a separate process; return its description, seconds and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--step", step, "--share", str(share), "--folder", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    what, seconds, memory = json.loads(done.stdout)
    return what, seconds, memory


def run_step(step: str, share: float, folder: Path) -> None:
    """Run a step in this process; print its description, seconds and megabytes."""
    peak = 0.0
    has_ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not has_ended.wait(0.02):
            lines = Path("/proc/self/status").read_text().splitlines()
            own = next(line for line in lines if line.startswith("RssAnon"))
            peak = max(peak, int(own.split()[1]) / 1000)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    what = STEPS[step]({name: max(1, round(share * whole)) for name, whole in WHOLE.items()}, folder)
    seconds = time.perf_counter() - started
    has_ended.set()
    watcher.join()
    print(json.dumps([what, seconds, peak]))


def main() -> None:
    """Measure every step at every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="measure a tenth of 10 TB and 10 TB too")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        run_step(given.step, given.share, given.folder)
        return
    print("| step | of | seconds | MB | growth |\n|---|---|---|---|---|")
    for step in STEPS:
        before = 0.0
        for share in (*SHARES, *((0.1, 1.0) if given.full else ())):
            what, seconds, memory = measure(step, share)
            growth = f"{math.log10(seconds / before):.2f}" if before else ""
            print(f"| {step} | {what} | {seconds:.1f} | {memory:,.0f} | {growth} |", flush=True)
            before = seconds


if __name__ == "__main__":
    main()
