"""Sorted runs: counts that exceed the memory limit are written to disk and merged in bounded memory.

A run is an Arrow IPC file of distinct chunks in the order of their bytes, in batches of `BATCH_ROWS`:

    chunk     large_string    raw text, as the scanner cut it (or a word)
    count     int64           occurrences in the documents to learn from
    held_out  int64           occurrences in held-out documents

This is external merge sort (Knuth, The Art of Computer Programming, volume 3, 5.4), block by block. Each run is
read until its share of rows is in memory. All rows up to the lowest of the runs' last chunks are complete,
since no run on disk can contain these chunks any more; they are grouped, summed, sorted and yielded, by Arrow's
kernels. Memory depends on the rows held at once, not on the size of the runs. More than `FAN_IN` runs are
merged in rounds, to bound the number of open files and the minimum share of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from wpprep.storage.files import atomic_write
from wpprep.vocab.counting.counts import ChunkCounts

SCHEMA = pa.schema([("chunk", pa.large_string()), ("count", pa.int64()), ("held_out", pa.int64())])
BATCH_ROWS = 2048
FAN_IN = 64

_ROW_BYTES = 512  # memory of a row while it is merged, copies for grouping and sorting included
_MAX_ROWS = 1 << 18  # merged at once; more are not faster


class Spill:
    """Sorted runs on disk: written when counts exceed the memory limit, and read merged.

    Args:
        folder: folder of the runs.
        stem: start of their temporary names: ``.STEM.partial-00001`` and so on.
        memory: approximate limit in bytes, for counts in memory as well as for merging.
    """

    def __init__(self, folder: Path, stem: str, memory: int) -> None:
        """Start with no runs."""
        self._folder, self._stem, self.memory = folder, stem, memory
        self._rows = min(_MAX_ROWS, max(FAN_IN * BATCH_ROWS // 2, memory // _ROW_BYTES))
        self._runs: list[Path] = []
        self._made = 0

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._runs)

    def put_aside(self, counts: ChunkCounts) -> None:
        """Write counts as a run."""
        path = self._next_path()
        write_run(path, [sorted_table(counts)])
        self._runs.append(path)

    def take_in(self, runs: Iterable[Path]) -> None:
        """Add existing runs, which are merged too but never removed."""
        self._runs += runs

    def merged(self) -> Iterator[pa.Table]:
        """Yield all counts in order, each chunk once; remove the runs written here once they are merged."""
        while len(self._runs) > FAN_IN:
            group, self._runs = self._runs[:FAN_IN], self._runs[FAN_IN:]
            path = self._next_path()
            write_run(path, merged(group, self._rows))
            self._remove(group)
            self._runs.append(path)
        yield from merged(self._runs, self._rows)
        self._remove(self._runs)
        self._runs = []
        pa.default_memory_pool().release_unused()  # return the memory that Arrow keeps to the system

    def merged_counts(self) -> Iterator[ChunkCounts]:
        """Yield `merged` as arrays."""
        return map(chunk_counts, self.merged())

    def _next_path(self) -> Path:
        """Return the name of the next run."""
        self._made += 1
        return self._folder / f".{self._stem}.partial-{self._made:05}"

    def _remove(self, paths: list[Path]) -> None:
        """Remove the runs among ``paths`` that were written here."""
        for path in paths:
            if path.name.startswith(f".{self._stem}.partial-"):
                path.unlink()


def sorted_table(counts: ChunkCounts) -> pa.Table:
    """Return counts as a table (`SCHEMA`) in the order of the chunks' bytes."""
    offsets = np.concatenate([np.zeros(1, np.int64), counts.ends])
    chunks = pa.LargeStringArray.from_buffers(len(counts), pa.py_buffer(offsets), pa.py_buffer(counts.chunks))
    return pa.table([chunks, counts.counts, counts.held_out], schema=SCHEMA).sort_by("chunk")


def chunk_counts(table: pa.Table) -> ChunkCounts:
    """Return the rows of a table (`SCHEMA`) as arrays."""
    if not len(table):
        return ChunkCounts(np.zeros(0, np.uint8), *(np.zeros(0, np.int64) for _ in range(3)))
    chunks = table["chunk"].combine_chunks()
    _, offset_buffer, text = chunks.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[chunks.offset : chunks.offset + len(chunks) + 1]
    counts, held_out = (table[name].to_numpy() for name in ("count", "held_out"))
    return ChunkCounts(
        np.frombuffer(text, np.uint8)[offsets[0] : offsets[-1]] if text else np.zeros(0, np.uint8),
        offsets[1:] - offsets[0],
        counts,
        held_out,
    )


def write_run(path: Path, tables: Iterable[pa.Table], metadata: dict[str, str] | None = None) -> int:
    """Write sorted tables as one run; return the number of rows.

    The bytes do not depend on how the rows are divided into tables.
    """
    schema, rest, rows = SCHEMA.with_metadata(metadata), SCHEMA.empty_table(), 0
    with atomic_write(path) as file, ipc.new_file(file, schema) as writer:
        for table in tables:
            rows += len(table)
            rest = pa.concat_tables([rest, table.cast(SCHEMA)]).combine_chunks()
            full = len(rest) // BATCH_ROWS * BATCH_ROWS
            writer.write_table(rest.slice(0, full), max_chunksize=BATCH_ROWS)
            rest = rest.slice(full)
        writer.write_table(rest)
    return rows


def merged(paths: Sequence[Path], rows_at_once: int) -> Iterator[pa.Table]:
    """Merge sorted runs and yield the sums in order, as tables of about ``rows_at_once`` rows.

    Each chunk is in one table only.
    """
    runs = [_Run(path) for path in paths]
    share = rows_at_once // max(1, len(runs))
    while runs := [run for run in runs if run.fill(share)]:
        bound = min((run.last_chunk for run in runs if run.has_more), default=None)
        yield _summed(pa.concat_tables([run.take_through(bound) for run in runs]))


class _Run:
    """A reader of a run; ``held`` are the rows in memory."""

    def __init__(self, path: Path) -> None:
        """Open the run."""
        self._reader: Any = ipc.open_file(pa.OSFile(str(path)))
        self._next = 0
        self.held = SCHEMA.empty_table()

    @property
    def has_more(self) -> bool:
        """Whether there are rows on disk that have not been read."""
        return self._next < int(self._reader.num_record_batches)

    @property
    def last_chunk(self) -> str:
        """The last chunk in memory."""
        return str(self.held["chunk"][-1].as_py())

    def fill(self, rows: int) -> bool:
        """Read until ``rows`` rows are in memory, if there are as many; return whether there are any."""
        tables, held = [self.held], len(self.held)
        while self.has_more and held < max(1, rows):
            batch = self._reader.get_batch(self._next)
            tables.append(pa.Table.from_batches([batch]).cast(SCHEMA))
            held += len(batch)
            self._next += 1
        self.held = pa.concat_tables(tables)
        return held > 0

    def take_through(self, chunk: str | None) -> pa.Table:
        """Remove and return the rows in memory up to and including a chunk; None: all."""
        if chunk is None:
            n = len(self.held)
        else:
            n = pc.sum(pc.less_equal(self.held["chunk"], pa.scalar(chunk, pa.large_string()))).as_py() or 0
        taken, self.held = self.held.slice(0, n), self.held.slice(n)
        return taken


def _summed(table: pa.Table) -> pa.Table:
    """Return each chunk once, with the sums of its counts, in order."""
    sums = table.group_by("chunk", use_threads=False).aggregate([("count", "sum"), ("held_out", "sum")])
    return sums.select(["chunk", "count_sum", "held_out_sum"]).rename_columns(SCHEMA.names).sort_by("chunk")
