"""Counting of a corpus: in memory if it is small, else by tasks that write sorted runs, which are then merged.

    slices -> CountSlices -> runs/run-00000.arrow, ... -> merged -> counts.arrow

A task depends only on its slices and writes its run under its own name, so tasks may run in any process with
access to the folder, and a task with a run and a receipt is not repeated. The runs are merged when all are
finished.

Memory means the private memory of processes; the files of the libraries, about 150 MB, are mapped once for all
of them. Python and Numba take about 110 MB of a process; text, sorting and slack about 100 MB. The rest of
``memory`` is for the table of chunks, which is spilled to disk (`vocab.counting.runs`) when it reaches its
limit. A corpus that would fit even if all its chunks were distinct, and that is small for the number of
workers, is counted in this process, with a second thread that reads ahead.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from wpprep import rng
from wpprep.config import CorpusOptions, CountOptions, CountRunOptions, as_dict
from wpprep.corpus.filters import Tally, tally_from, used_documents
from wpprep.corpus.tasks import Chosen, bytes_of
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.plans import Receipt, entry_of
from wpprep.records import Document, Slice
from wpprep.storage.files import UNFINISHED, make_folder, remove_folder, remove_partial
from wpprep.storage.manifest import describe_rows
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.normalization import counting_rule
from wpprep.vocab.counting.counts import ChunkCounter, ChunkCounts, CorpusFacts

RUNS = f"{UNFINISHED}/runs"
MERGED = "counts.arrow"

_OF_PROCESS = 210_000_000  # bytes of a process without its table: the libraries, some text, slack
_GROWTH = 3  # while a table doubles, the old one and the new one (twice as large) are in memory
_MOST_AT_HAND = 400_000_000  # bytes of text times workers; below this, sorted runs cost more than they save
_TABLE_BYTES = 12  # bytes of memory per byte of text if all chunks are distinct


@dataclass(frozen=True)
class Counted:
    """Counts of the chunks of a corpus, and facts about its documents.

    Attributes:
        parts: returns the parts of the counts; each chunk is in only one of them.
        learned, held_out: facts of the documents to learn from, and of those held out.
        unused: the entries of the manifest about documents that were not used.
        chunks: number of distinct chunks, or 0 if it is unknown.
        is_at_hand: whether all counts are in memory, as one part.
    """

    parts: Callable[[], Iterator[ChunkCounts]]
    learned: CorpusFacts
    held_out: CorpusFacts
    unused: dict[str, Any]
    chunks: int = 0
    is_at_hand: bool = False

    def for_manifest(self) -> dict[str, Any]:
        """Return the entries of the manifest about the corpus, including held-out documents."""
        return (self.learned + self.held_out).for_manifest() | self.unused

    @property
    def documents(self) -> int:
        """Number of documents counted."""
        return self.learned.documents + self.held_out.documents

    def with_something_to_learn(self) -> Counted:
        """Return counts to learn from: these, or the held-out ones if every document was held out by chance."""
        if self.learned.documents:
            return self

        def parts() -> Iterator[ChunkCounts]:
            return (ChunkCounts(part.chunks, part.ends, part.held_out) for part in self.parts())

        return replace(self, parts=parts, learned=self.held_out, held_out=CorpusFacts())


def table_bytes(run: CountRunOptions) -> int:
    """Return the memory for the table of one process, in bytes."""
    return (run.memory_bytes // run.processes - _OF_PROCESS) // _GROWTH


def fits_in_memory(tasks: list[list[Slice]], run: CountRunOptions) -> bool:
    """Return whether a corpus is counted in this process, without files on disk."""
    size = sum(bytes_of(slice_) for slices in tasks for slice_ in slices)
    return size * run.workers <= _MOST_AT_HAND and size * _TABLE_BYTES <= run.memory_bytes - _OF_PROCESS


def count_at_hand(
    chosen: Chosen, options: CountOptions, text: CorpusOptions, run: CountRunOptions, say: Progress
) -> Counted:
    """Count a corpus that fits in memory."""
    counter, tally = ChunkCounter(counting_rule(options), read_ahead=run.workers > 1), Tally()
    slices = [slice_ for slices in chosen.tasks for slice_ in slices]
    total = sum(map(bytes_of, slices))
    say("count", 0, total)
    _count(slices, options, text, counter, tally, after_slice=lambda done: say("count", done, total))
    counts = counter.result()
    unused = tally.facts(text, chosen.dropped)
    return Counted(
        lambda: iter([counts]), counter.learned, counter.held_out, unused, len(counts), is_at_hand=True
    )


def count_in_runs(
    chosen: Chosen, identity: str, job: Job, options: CountOptions, text: CorpusOptions, run: CountRunOptions
) -> Counted:
    """Count a corpus of any size into the folder of a job; the merged counts remain as ``counts.arrow``."""
    from wpprep.vocab.counting.counts_file import SavedCounts, write_counts  # noqa: PLC0415 (loads pyarrow)
    from wpprep.vocab.counting.runs import Spill  # noqa: PLC0415

    runs, notes = job.path / RUNS, job.folder.receipts
    merge = notes.read(MERGED, "merge")
    if merge is None:
        make_folder(runs)
        if not job.folder.nodes.is_shared:
            remove_partial(runs)
        named = {f"run-{i:05}.arrow": (f"run-{i:05}.arrow", slices) for i, slices in enumerate(chosen.tasks)}
        sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
        make = partial(CountSlices, options, text, runs, table_bytes(run))
        receipts = job.run_tasks("count", make, named, sizes)
        job.elect()
        merge = _facts_of(receipts)
        unused = tally_from(merge["tally"]).facts(text, chosen.dropped)
        spill = Spill(runs, "merge", run.memory_bytes - _OF_PROCESS)
        spill.take_in(runs / name for name in named)
        rule = counting_rule(options)
        facts = {
            "rule": rule.name,
            "rule_sha256": rule.identity,
            "options": as_dict(options) | as_dict(text),
            "corpus_identity": identity,
            "learned": merge["learned"],
            "held_out": merge["held_out"],
            "unused": unused,
        }
        rows = write_counts(job.path / MERGED, _reported(spill.merged(), job.say), facts)
        merge["shard"] = entry_of(describe_rows(job.path / MERGED, rows, name=MERGED))
        notes.write(MERGED, "merge", merge)
    remove_folder(runs)
    learned, held_out = CorpusFacts(**merge["learned"]), CorpusFacts(**merge["held_out"])
    unused = tally_from(merge["tally"]).facts(text, chosen.dropped)
    parts = SavedCounts(job.path / MERGED, {}).parts
    return Counted(parts, learned, held_out, unused, merge["shard"]["rows"])


@dataclass(frozen=True)
class CountSlices:
    """Task that counts the chunks of some slices into one sorted run.

    Attributes:
        folder: the folder of the runs.
        table_bytes: maximum memory of the table of chunks, in bytes.
    """

    options: CountOptions
    text: CorpusOptions
    folder: Path
    table_bytes: int

    def __post_init__(self) -> None:
        """Load the kernels, before workers are forked."""
        ChunkCounter(self._rule).add_documents([Document("", "a")])

    @cached_property
    def _rule(self) -> CutRule:
        return counting_rule(self.options)

    def __call__(self, task: tuple[str, list[Slice]]) -> Receipt:
        """Write the run; return its receipt."""
        from wpprep.vocab.counting.runs import Spill, sorted_table, write_run  # noqa: PLC0415 (loads pyarrow)

        name, slices = task
        counter, tally = ChunkCounter(self._rule), Tally()
        spill = Spill(self.folder, f"{name}-{os.getpid()}-{secrets.token_hex(4)}", self.table_bytes)

        def put_aside_if_large() -> None:
            if counter.nbytes > self.table_bytes:
                spill.put_aside(counter.result())
                counter.clear()

        _count(slices, self.options, self.text, counter, tally, put_aside_if_large)
        if len(spill):
            spill.put_aside(counter.result())
            rows = write_run(self.folder / name, spill.merged())
        else:
            rows = write_run(self.folder / name, [sorted_table(counter.result())])
        return {
            "shards": [entry_of(describe_rows(self.folder / name, rows, name=f"{RUNS}/{name}"))],
            "learned": asdict(counter.learned),
            "held_out": asdict(counter.held_out),
            "tally": asdict(tally),
        }


def _count(
    slices: list[Slice],
    options: CountOptions,
    text: CorpusOptions,
    counter: ChunkCounter,
    tally: Tally,
    after_batch: Callable[[], None] | None = None,
    after_slice: Callable[[int], None] | None = None,
) -> None:
    """Count the chunks of some slices; documents are held out by a keyed hash of their text.

    ``after_slice`` is called with the number of bytes read so far.
    """
    limit = int(options.holdout * 2**64)

    def is_held_out(mark: int) -> bool:
        return int(rng.key(options.seed, rng.HOLDOUT, 0, np.uint64(mark))) < limit

    def documents() -> Iterator[Document]:
        done = 0
        for slice_ in slices:
            yield from used_documents(slice_, text, tally)
            done += bytes_of(slice_)
            if after_slice is not None:
                after_slice(done)

    counter.add_documents(documents(), is_held_out if limit else None, after_batch)


def _facts_of(receipts: Iterable[Receipt]) -> Receipt:
    """Return the sums of the facts and tallies of all tasks."""
    learned, held_out, tally = CorpusFacts(), CorpusFacts(), Tally()
    for receipt in receipts:
        learned += CorpusFacts(**receipt["learned"])
        held_out += CorpusFacts(**receipt["held_out"])
        tally.add(tally_from(receipt["tally"]))
    return {"learned": asdict(learned), "held_out": asdict(held_out), "tally": asdict(tally)}


def _reported(tables: Iterator[Any], say: Progress) -> Iterator[Any]:
    """Yield tables; report the number of rows so far."""
    rows = 0
    for table in tables:
        yield table
        rows += len(table)
        say("merge counts", rows, rows)
