"""Counts of the distinct chunks of a corpus.

A chunk is raw text, as the scanner cuts it; it becomes words later (`words`), so one count of a corpus serves
vocabularies of any case, accents, alphabet, score and size. Held-out documents, on which the vocabulary is
measured, are counted in a column of their own.

This module keeps all counts in memory; `runs` moves them to disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from wpprep.records import Bytes, Document, Ints, fingerprint
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.scanner import ChunkTable, tally

_BATCH_BYTES = (
    1 << 20
)  # small, so that memory is reused: a new page costs as much as counting some hundred bytes
_BATCHES_AHEAD = 2  # read while earlier ones are counted; evens out batches of unequal cost
_NO_WEIGHTS = np.zeros(0, np.int64)
_LEARNED, _HELD_OUT = range(2)

_Batch = tuple[list[bytes], list[bytes]]  # texts to learn from, and held out


class CorpusEntry(TypedDict):
    """`CorpusFacts` in a manifest; the fingerprint is 16 hexadecimal digits."""

    documents: int
    text_bytes: int
    replaced: int
    fingerprint: str


@dataclass(frozen=True)
class CorpusFacts:
    """Totals of the counted documents.

    Attributes:
        documents: number of documents.
        text_bytes: size of their text in UTF-8.
        replaced: number of invalid byte sequences that became U+FFFD.
        fingerprint: hash of all documents' text, independent of their order (`records.fingerprint`).
    """

    documents: int = 0
    text_bytes: int = 0
    replaced: int = 0
    fingerprint: int = 0

    def __add__(self, other: CorpusFacts) -> CorpusFacts:
        """Return the totals of both sets of documents."""
        return CorpusFacts(
            self.documents + other.documents,
            self.text_bytes + other.text_bytes,
            self.replaced + other.replaced,
            (self.fingerprint + other.fingerprint) % 2**64,
        )

    def for_manifest(self) -> CorpusEntry:
        """Return the entry of a manifest."""
        return {
            "documents": self.documents,
            "text_bytes": self.text_bytes,
            "replaced": self.replaced,
            "fingerprint": f"{self.fingerprint:016x}",
        }


@dataclass(frozen=True)
class ChunkCounts:
    """Distinct chunks with their numbers of occurrences.

    Attributes:
        chunks: ``uint8``, the chunks in UTF-8, concatenated.
        ends: ``int64[n]``, the end of each in ``chunks``.
        counts: ``int64[n]``, occurrences in the documents to learn from.
        held_out: ``int64[n]``, occurrences in held-out documents; zeros by default.
    """

    chunks: Bytes
    ends: Ints
    counts: Ints
    held_out: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        """Set ``held_out`` to zeros if it is not given."""
        if not len(self.held_out):
            object.__setattr__(self, "held_out", np.zeros(len(self.counts), np.int64))

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self.ends)

    def strings(self, rows: Ints | None = None) -> list[str]:
        """Return the chunks as strings: all, or those at the indices ``rows``."""
        text, starts, ends = self.chunks.tobytes(), np.append(0, self.ends)[:-1], self.ends
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        return [text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class ChunkCounter:
    """Counter of chunks, to which documents and the results of other counters are added.

    >>> from wpprep.tokenizer.cut_rule import blank_rule
    >>> counter = ChunkCounter(blank_rule())
    >>> counter.add_documents([Document("1", "to be or not to be")])
    >>> counter.result().counts.tolist()
    [2, 2, 1, 1]

    Args:
        rule: how text is cut into chunks.
        read_ahead: read documents while a thread counts earlier ones (kernels release the interpreter lock).

    Attributes:
        learned: totals of the documents to learn from.
        held_out: totals of the held-out documents.
    """

    def __init__(self, rule: CutRule, *, read_ahead: bool = False) -> None:
        """Start with no chunks."""
        self._table = ChunkTable(rule)
        self._counts = np.zeros((2, 1 << 15), np.int64)
        self._read_ahead = read_ahead
        self.learned = self.held_out = CorpusFacts()

    def add_documents(
        self,
        documents: Iterable[Document],
        is_held_out: Callable[[int], bool] | None = None,
        after_batch: Callable[[], None] | None = None,
    ) -> None:
        """Count the chunks of documents.

        Args:
            documents: the documents; read once, in order.
            is_held_out: returns for a document's fingerprint whether it is held out; by default none is.
            after_batch: called after each batch of about a megabyte of text; not called with ``read_ahead``.
        """
        batches = self._batches(documents, is_held_out)
        if not self._read_ahead:
            for batch in batches:
                self._scan(batch)
                if after_batch is not None:
                    after_batch()
            return
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[None]] = deque()
            for batch in batches:
                if len(waiting) == _BATCHES_AHEAD:
                    waiting.popleft().result()
                waiting.append(pool.submit(self._scan, batch))
            for scan in waiting:
                scan.result()

    def _batches(
        self, documents: Iterable[Document], is_held_out: Callable[[int], bool] | None
    ) -> Iterator[_Batch]:
        """Group texts into batches of about a megabyte, and update the totals at the end."""
        batch: _Batch = ([], [])
        facts, size = [self.learned, self.held_out], 0
        for document in documents:
            text = document.text.encode()
            mark = fingerprint(text)
            column = _HELD_OUT if is_held_out is not None and is_held_out(mark) else _LEARNED
            batch[column].append(text)
            facts[column] += CorpusFacts(1, len(text), document.replaced, mark)
            size += len(text)
            if size >= _BATCH_BYTES:
                yield batch
                batch, size = ([], []), 0
        self.learned, self.held_out = facts
        yield batch

    def add(self, other: ChunkCounts) -> None:
        """Add the counts of another counter with the same rule."""
        codes = self._table.add(other.chunks, other.ends)
        self._tally(codes, other.counts, _LEARNED)
        self._tally(codes, other.held_out, _HELD_OUT)

    def result(self) -> ChunkCounts:
        """Return the counts so far, in the order in which the chunks first occurred."""
        n = len(self._table)
        starts = self._table.starts[: n + 1]
        learned, held_out = self._counts[:, :n].copy()
        return ChunkCounts(self._table.blob[: starts[n]].copy(), starts[1:].copy(), learned, held_out)

    def clear(self) -> None:
        """Remove the chunks counted so far; the totals stay."""
        self._table.clear()
        self._counts = np.zeros((2, 1 << 15), np.int64)

    def __len__(self) -> int:
        """Return the number of distinct chunks so far."""
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Memory used by chunks and counts, in bytes."""
        return self._table.nbytes + self._counts.nbytes

    def _scan(self, batch: _Batch) -> None:
        """Cut the texts of a batch and count their chunks."""
        for column, texts in enumerate(batch):
            if texts:
                ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
                codes, _ = self._table.scan(np.frombuffer(b"".join(texts), np.uint8), ends)
                self._tally(codes, _NO_WEIGHTS, column)

    def _tally(self, codes: np.ndarray[tuple[int], np.dtype[np.int32]], weights: Ints, column: int) -> None:
        """Add the weights of the chunks (1 each, if there are none) to a column, which grows as needed."""
        if len(self._table) > self._counts.shape[1]:
            more = np.zeros((2, 2 * len(self._table) - self._counts.shape[1]), np.int64)
            self._counts = np.concatenate([self._counts, more], axis=1)
        tally(codes, weights, self._counts[column])
