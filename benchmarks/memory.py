"""Peak memory of make-shards and train-vocab, on a corpus and on ten copies of it.

    python benchmarks/memory.py [--workers 1] [--only make-shards] [--times 10] [--folder wiki-en]

The copies have other document ids (`id="12"` becomes `id="3-12"` in the fourth copy) and no new words, so that
all growth is due to the size of the text. All processes of a command are sampled every 20 ms in /proc (Linux).
Their *private* memory together, with each shared page counted once, is the need of the command; pages of
*mapped* files, which the system can reclaim at any time, are reported separately, with the time of the peak.

Real text is read from WPPREP_DATA (see `harness`); the copies need 700 MB of disk and the outputs 8 GB, in
TMPDIR.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from harness import text_of

COMMANDS = ("make-shards", "train-vocab")
_LOOK_EVERY = 0.02  # seconds
_RUN = "from wpprep.cli import main; main()"


class Peak(NamedTuple):
    """Peak memory of a command in MB, the number of processes at that time, and the time in seconds."""

    private: float
    mapped: float
    processes: int
    after: float
    seconds: float


def main() -> None:
    """Measure both commands on both corpora and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument(
        "--workers", type=int, default=1, help="worker processes; two need more memory than one"
    )
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--folder", default="wiki-en", help="folder of the real text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        text = text_of(given.folder)
        corpora = {n: write_copies(text, base / f"corpus-{n}", n) for n in (1, given.times)}
        vocab = base / "vocab"
        run("train-vocab", str(corpora[1]), "--out", str(vocab), "--quiet")
        head = f"{given.workers} worker(s)"
        print(f"{head:24}{'private MB':>20}{'mapped MB':>11}{'processes':>11}{'highest after':>15}")
        for command in given.only:
            peaks = []
            for corpus in corpora.values():
                words = [command, str(corpus), "--out", str(base / "out"), "--workers", str(given.workers)]
                words += ["--vocab", str(vocab)] if command == "make-shards" else []
                peaks.append(run(*words, "--overwrite", "--quiet"))
                megabytes = corpus.stat().st_size / 1e6 if corpus.is_file() else size_of(corpus) / 1e6
                show(f"{command}, {megabytes:.0f} MB", peaks[-1])
            print(f"{'':24}{peaks[1].private / peaks[0].private:.2f} x", flush=True)


def write_copies(text: bytes, folder: Path, times: int) -> Path:
    """Write ``times`` files, each with the text under different document ids; return the folder."""
    folder.mkdir()
    for copy in range(times):
        other = re.sub(rb'(?m)^<doc id="', b'<doc id="%d-' % copy, text)
        (folder / f"wiki-{copy:02}").write_bytes(other)
    return folder


def size_of(folder: Path) -> int:
    """Return the size of the files of a folder in bytes."""
    return sum(file.stat().st_size for file in folder.iterdir())


def run(*words: str) -> Peak:
    """Run a command of wpprep and sample its memory until it ends."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _RUN, *words])
    peak, mapped = Peak(0, 0, 0, 0, 0), 0.0
    while process.poll() is None:
        looks = [memory_of(pid) for pid in family(process.pid)]
        private, files = (sum(column) / 1024 for column in zip(*looks, strict=True)) if looks else (0, 0)
        mapped = max(mapped, files)
        if private > peak.private:
            peak = Peak(private, 0, len(looks), time.perf_counter() - started, 0)
        time.sleep(_LOOK_EVERY)
    if process.returncode:
        sys.exit(f"wpprep {' '.join(words)} failed")
    return peak._replace(mapped=mapped, seconds=time.perf_counter() - started)


def family(pid: int) -> list[int]:
    """Return the ids of a process and of its living descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(child))]


def memory_of(pid: int) -> tuple[int, int]:
    """Return private and mapped memory of a process in kB; shared pages count in proportion."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process has just ended
        return 0, 0
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return found["Pss_Anon"] + found["Pss_Shmem"], found["Pss_File"]


def show(name: str, peak: Peak) -> None:
    """Print the row of a command."""
    print(
        f"{name:24}{peak.private:20.0f}{peak.mapped:11.0f}{peak.processes:11}"
        f"{peak.after:9.1f} of {peak.seconds:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
