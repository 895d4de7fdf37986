"""Sorted runs: counts that outgrow memory go to disk, and are merged from there in bounded memory.

A run is an Arrow IPC file of distinct chunks in the order of their bytes, in batches of `BATCH_ROWS`:

    chunk     large_string    raw text, as the scanner cut it (or a word)
    count     int64           in the documents to learn from
    held_out  int64           in those held out

Merging takes turns. Each run is read until its share of rows is in memory; what is not above the lowest of
the runs' last chunks can get no more company from disk, so it is grouped, summed, sorted and handed on, all
by Arrow's own kernels. Memory is that of the rows at once, not of the runs; more than `FAN_IN` runs are
merged in rounds, so that neither open files nor the least share of a run add up.
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

_ROW_BYTES = 512  # of a row that is merged, its copies while it is grouped and sorted included
_MOST_ROWS = 1 << 18  # merged at once; more, where there is memory for them, only take memory


class Spill:
    """Counts that are put aside in sorted runs whenever they outgrow memory, and come back merged.

    Args:
        folder: where the runs go, under temporary names that begin with the stem.
        memory: bytes that may be held at hand, and that merging may take, roughly.
    """

    def __init__(self, folder: Path, stem: str, memory: int) -> None:
        self._folder, self._stem, self.memory = folder, stem, memory
        self._rows = min(_MOST_ROWS, max(FAN_IN * BATCH_ROWS // 2, memory // _ROW_BYTES))
        self._runs: list[Path] = []
        self._made = 0

    def __len__(self) -> int:
        return len(self._runs)

    def put_aside(self, counts: ChunkCounts) -> None:
        """Write a run."""
        path = self._next_path()
        write_run(path, [sorted_table(counts)])
        self._runs.append(path)

    def take_in(self, runs: Iterable[Path]) -> None:
        """Count in runs that others wrote, and that stay theirs."""
        self._runs += runs

    def merged(self) -> Iterator[pa.Table]:
        """All counts in order, each chunk once; the runs that were put aside are removed as they are merged."""
        while len(self._runs) > FAN_IN:
            group, self._runs = self._runs[:FAN_IN], self._runs[FAN_IN:]
            path = self._next_path()
            write_run(path, merged(group, self._rows))
            self._remove(group)
            self._runs.append(path)
        yield from merged(self._runs, self._rows)
        self._remove(self._runs)
        self._runs = []
        pa.default_memory_pool().release_unused()  # Arrow keeps what it frees; what comes next wants it

    def merged_counts(self) -> Iterator[ChunkCounts]:
        """`merged` as arrays."""
        return map(chunk_counts, self.merged())

    def _next_path(self) -> Path:
        self._made += 1
        return self._folder / f".{self._stem}.partial-{self._made:05}"

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            if path.name.startswith(f".{self._stem}.partial-"):
                path.unlink()


def sorted_table(counts: ChunkCounts) -> pa.Table:
    """Counts as a table in the order of the chunks' bytes."""
    offsets = np.concatenate([np.zeros(1, np.int64), counts.ends])
    chunks = pa.LargeStringArray.from_buffers(len(counts), pa.py_buffer(offsets), pa.py_buffer(counts.chunks))
    return pa.table([chunks, counts.counts, counts.held_out], schema=SCHEMA).sort_by("chunk")


def chunk_counts(table: pa.Table) -> ChunkCounts:
    """The rows of a table as arrays."""
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
    """Write sorted tables as one run, the same bytes however they were cut; returns the number of rows."""
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
    """The sums of sorted runs, in order, as tables of about so many rows, none with a chunk of another."""
    runs = [_Run(path) for path in paths]
    share = rows_at_once // max(1, len(runs))
    while runs := [run for run in runs if run.fill(share)]:
        bound = min((run.last_chunk for run in runs if run.has_more), default=None)
        yield _summed(pa.concat_tables([run.take_through(bound) for run in runs]))


class _Run:
    """A run that is read in order; ``held`` are the rows that are in memory."""

    def __init__(self, path: Path) -> None:
        self._reader: Any = ipc.open_file(pa.OSFile(str(path)))
        self._next = 0
        self.held = SCHEMA.empty_table()

    @property
    def has_more(self) -> bool:
        return self._next < int(self._reader.num_record_batches)

    @property
    def last_chunk(self) -> str:
        return str(self.held["chunk"][-1].as_py())

    def fill(self, rows: int) -> bool:
        """Read until so many rows are in memory; tells whether there is any row left."""
        tables, held = [self.held], len(self.held)
        while self.has_more and held < max(1, rows):
            batch = self._reader.get_batch(self._next)
            tables.append(pa.Table.from_batches([batch]).cast(SCHEMA))
            held += len(batch)
            self._next += 1
        self.held = pa.concat_tables(tables)
        return held > 0

    def take_through(self, chunk: str | None) -> pa.Table:
        """Give away the rows up to and with a chunk; None: all."""
        if chunk is None:
            n = len(self.held)
        else:
            n = pc.sum(pc.less_equal(self.held["chunk"], pa.scalar(chunk, pa.large_string()))).as_py() or 0
        taken, self.held = self.held.slice(0, n), self.held.slice(n)
        return taken


def _summed(table: pa.Table) -> pa.Table:
    """Each chunk once, with the sums of its counts, in order."""
    sums = table.group_by("chunk", use_threads=False).aggregate([("count", "sum"), ("held_out", "sum")])
    return sums.select(["chunk", "count_sum", "held_out_sum"]).rename_columns(SCHEMA.names).sort_by("chunk")
