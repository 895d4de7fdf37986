"""Files to documents: speed and memory of every format and compression, in one process.

    python benchmarks/read.py               # real text of WPPREP_DATA, else the sample corpus
    python benchmarks/read.py --megabytes 8 # less text

The same documents are written in each format and read by one process, in slices of 16 MB. Times are CPU
seconds, best of three rounds. Megabytes are those of the text in UTF-8, counted outside of the measured time.
Memory (Linux only) is the peak beyond the memory before the file is opened, for the file and for one of four
times the size: it must not grow with the file. The last table compares the reading of dumps (detection,
decompression, XML, prose) with mwparserfromhell on the wikitext of the same pages in memory: parse alone, and
parse with strip_code, the shortest way to text. The last column is the ratio of our speed to the latter; the
goal is 0.9.
"""

from __future__ import annotations

import argparse
import bz2
import collections
import gc
import gzip
import json
import lzma
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices, read_slice, reader
from wpprep.corpus.readers.mediawiki.dump import _raw_pages, parse_page
from wpprep.records import Document, Slice

REPOSITORY = Path(__file__).parent.parent
SLICE_BYTES = 16_000_000
ROUNDS = 3
Writer = Callable[[Path, list[Document]], object]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=16, help="size of the text of each file")
    parser.add_argument("--only", nargs="+", metavar="FORMAT", help="formats to measure, such as: prose dumps")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(Path(options.measure))
        return
    data = Path(os.environ.get("WPPREP_DATA", REPOSITORY.parent / "shared" / "data"))
    only = options.only or [*WRITERS, "dumps"]
    if writers := {name: write for name, write in WRITERS.items() if name in only}:
        report_formats(writers, text(data, options.megabytes))
    if "dumps" in only:
        report_dumps(
            sorted((data / "dumps").glob("*")) or sorted((REPOSITORY / "sample_corpus/dump").glob("*.bz2"))
        )


def text(data: Path, megabytes: int) -> list[Document]:
    """Return documents of the given size together, repeated if the corpus is smaller."""
    folder = data / "wiki-en" if data.is_dir() else REPOSITORY / "sample_corpus" / "wiki"
    found, size = [], 0
    while size < megabytes * 1_000_000:
        for slice_ in plan_slices([folder], CorpusOptions(), SLICE_BYTES):
            for document in read_slice(slice_, CorpusOptions()):
                found.append(document)
                size += len(document.text.encode())
                if size >= megabytes * 1_000_000:
                    return found
    return found


def jsonl(path: Path, documents: list[Document]) -> None:
    """Write one object per line."""
    lines = (json.dumps({"id": d.id, "text": d.text}, ensure_ascii=False) + "\n" for d in documents)
    path.write_text("".join(lines), encoding="utf-8")


def wikiextractor(path: Path, documents: list[Document]) -> None:
    """Write WikiExtractor's elements."""
    path.write_text(
        "".join(f'<doc id="{d.id}" url="" title="">\n{d.text}\n</doc>\n\n' for d in documents), "utf-8"
    )


def lines(path: Path, documents: list[Document]) -> None:
    """Write one paragraph per line, a blank line between documents."""
    path.write_text("".join(f"{d.text}\n\n" for d in documents), "utf-8")


def prose(path: Path, documents: list[Document]) -> None:
    """Write three blank lines between documents."""
    path.write_text("".join(f"{d.text}\n\n\n\n" for d in documents), "utf-8")


def table(documents: list[Document]) -> pa.Table:
    """Return the columns id and text."""
    return pa.table({"id": [d.id for d in documents], "text": [d.text for d in documents]})


def parquet(path: Path, documents: list[Document]) -> None:
    """Write row groups of 1,000, compressed by snappy."""
    pq.write_table(table(documents), path, row_group_size=1000)


def arrow(path: Path, documents: list[Document]) -> None:
    """Write an IPC stream of batches of 1,000, like `datasets`."""
    columns = table(documents)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, columns.schema) as writer:
        writer.write_table(columns, max_chunksize=1000)


def compressed(write: Writer, compress: Callable[[bytes], bytes]) -> Writer:
    """Return a writer that also compresses the file."""

    def both(path: Path, documents: list[Document]) -> None:
        write(path, documents)
        path.write_bytes(compress(path.read_bytes()))

    return both


WRITERS: dict[str, Writer] = {
    "wikiextractor": wikiextractor,
    "lines": lines,
    "prose": prose,
    "jsonl": jsonl,
    "parquet": parquet,
    "arrow": arrow,
    "lines, gzip": compressed(lines, lambda data: gzip.compress(data, 6)),
    "lines, zstd": compressed(lines, lambda data: pa.Codec("zstd").compress(data, asbytes=True)),
    "lines, bz2": compressed(lines, bz2.compress),
    "lines, xz": compressed(lines, lambda data: lzma.compress(data, preset=1)),
    "lines, UTF-16": compressed(lines, lambda data: data.decode().encode("utf-16")),
}


def report_formats(writers: dict[str, Writer], documents: list[Document]) -> None:
    """Print the table of formats."""
    print("| format | MB/s of text | of the file | peak memory, MB | of a file 4 times the size |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, write in writers.items():
            report(Path(scratch) / "corpus", name, write, documents)
    print(flush=True)


def report(path: Path, name: str, write: Writer, documents: list[Document]) -> None:
    """Print the row of a format."""
    write(path, documents)
    format_ = name.split(",", maxsplit=1)[0]
    rate, of_file, memory = measured(path, format_)
    write(path, documents * 4)
    *_, memory_of_more = measured(path, format_)
    print(f"| {name} | {rate:.0f} | {of_file:.0f} | {memory:.0f} | {memory_of_more:.0f} |", flush=True)


def measured(path: Path, format_: str) -> tuple[float, float, float]:
    """Run `measure` in a separate process; return its figures."""
    command = [sys.executable, __file__, "--measure", f"{path}:{format_}"]
    return tuple(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def measure(named: Path) -> None:
    """Print the speed of reading a file, in MB/s of text and of the file, and the memory used."""
    path, format_ = str(named).rsplit(":", 1)
    options = CorpusOptions(format=format_)
    reader(format_)
    before = peak_memory()

    def work() -> None:
        for slice_ in plan_slices([path], options, SLICE_BYTES):
            collections.deque(read_slice(slice_, options), maxlen=0)

    best = min(seconds_of(work) for _ in range(ROUNDS))
    memory = peak_memory() - before
    slices = plan_slices([path], options, SLICE_BYTES)
    size = sum(len(document.text.encode()) for slice_ in slices for document in read_slice(slice_, options))
    print(json.dumps([size / best / 1e6, os.path.getsize(path) / best / 1e6, memory]))


def peak_memory() -> float:
    """Return the peak memory of this process in MB (the value of getrusage includes that of the parent)."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1000 if found else float("nan")


def report_dumps(paths: list[Path]) -> None:
    """Print the table of dumps."""
    print("| dump | MB/s of wikitext, read | mwparserfromhell.parse | and strip_code | read : the latter |")
    print("|---|---:|---:|---:|---:|")
    for path in paths:
        report_dump(path)


def report_dump(path: Path) -> None:
    """Print the row of a dump: the best round of each contender, which alternate."""
    import mwparserfromhell

    options, slice_ = CorpusOptions(), Slice(str(path), "wiki-dump", 0, -1)
    pages = [parse_page(raw, str(path), "strict")[0] for raw in _raw_pages(slice_, options)]
    texts = [page.text for page in pages if page.namespace == "0" and not page.is_redirect]

    def read() -> None:
        for slice_ in plan_slices([path], options, SLICE_BYTES):
            collections.deque(read_slice(slice_, options), maxlen=0)

    def parse() -> None:
        for text in texts:
            mwparserfromhell.parse(text)

    def parse_and_strip() -> None:
        for text in texts:
            mwparserfromhell.parse(text).strip_code()

    works = (read, parse, parse_and_strip)
    size = sum(len(text.encode()) for text in texts)
    times = 1 + 300_000 // size
    rounds = [[seconds_of(work, times) for work in works] for _ in range(ROUNDS)]
    rates = [size / 1e6 * times / min(seconds) for seconds in zip(*rounds, strict=True)]
    columns = [f"{rate:.2f}" for rate in rates] + [f"{rates[0] / rates[2]:.0%}"]
    print(f"| {path.name} | " + " | ".join(columns) + " |", flush=True)


def seconds_of(work: Callable[[], object], times: int = 1) -> float:
    """Return the CPU seconds of a function, after garbage collection."""
    gc.collect()
    started = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
