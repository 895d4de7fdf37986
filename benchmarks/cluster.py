"""Cost of distribution: make-shards with local processes, on a Dask cluster, and on nodes that share a folder.

    python benchmarks/cluster.py --runs 3

Measures whole processes, start-up included, from text to finished files, on two cores: two local workers; a
running Dask cluster of two workers on loopback; two nodes with one worker each. All must write the same bytes.
`--text` replaces the English Wikipedia of WPPREP_DATA by another corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import DATA, text_of

WPPREP = [sys.executable, "-c", "from wpprep.cli import main; main()"]


def start_cluster(folder: Path) -> tuple[str, list[subprocess.Popen[bytes]]]:
    """Start a scheduler and two workers; return the scheduler file and the processes."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    where = ["--scheduler-file", str(file), "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    processes = [
        subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *where], **quiet)  # type: ignore[call-overload]
    ]
    while not file.exists():
        time.sleep(0.1)
    worker = [*dask, "worker", "--nthreads", "1", *where]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]  # type: ignore[call-overload]
    time.sleep(5)
    return str(file), processes


def checksum(folder: Path) -> str:
    """Return one sha256 for all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--text", type=Path, help="corpus to use instead of the English Wikipedia")
    given = parser.parse_args()
    if given.text is None and not DATA.is_dir():
        sys.exit(f"no real text in {DATA} (set WPPREP_DATA)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = given.text or folder / "wiki-en.txt"
        if given.text is None:
            text.write_bytes(text_of("wiki-en"))
        subprocess.run([*WPPREP, "train-vocab", text, "--out", folder / "vocab", "--quiet"], check=True)
        file, processes = start_cluster(folder)
        try:
            compare(folder, text, file, given.runs)
        finally:
            for process in processes:
                process.terminate()


def compare(folder: Path, text: Path, scheduler: str, runs: int) -> None:
    """Run all three in turns and print the median of each."""
    command = [*WPPREP, "make-shards", str(text), "--vocab", str(folder / "vocab"), "--quiet"]

    def together(*runs_: list[str]) -> Callable[[Path], None]:
        def run(out: Path) -> None:
            started = [subprocess.Popen([*command, "--out", str(out), *options]) for options in runs_]
            assert [process.wait() for process in started] == [0] * len(started)

        return run

    ways = {
        "local, 2 workers": together(["--workers", "2"]),
        "dask, 2 workers": together(["--scheduler-file", scheduler]),
        "2 nodes, 1 worker each": together(
            ["--workers", "1", "--node", "1/2"], ["--workers", "1", "--node", "2/2"]
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    sums = set()
    for _ in range(runs):
        for name, run in ways.items():
            out = folder / "out"
            started = time.perf_counter()
            run(out)
            seconds[name].append(time.perf_counter() - started)
            sums.add(checksum(out))
            shutil.rmtree(out)
    assert len(sums) == 1, "different bytes"
    local = statistics.median(seconds["local, 2 workers"])
    print("| | seconds | over local |\n|---|---|---|")
    for name, all_seconds in seconds.items():
        median = statistics.median(all_seconds)
        print(f"| {name} | {median:.2f} | {100 * (median / local - 1):+.0f} % |")


if __name__ == "__main__":
    main()
