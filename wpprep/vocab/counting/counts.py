"""Counting: how often each distinct chunk of a corpus occurs.

A chunk is what the scanner cuts, raw; what words it makes is decided later (`words`), so one count of a
corpus serves vocabularies of any case, accents, alphabet, score and size. Documents held out are counted
beside the others, in a column of their own: the vocabulary is measured on them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wpprep.records import Bytes, Document, Ints, fingerprint
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.scanner import ChunkTable, tally

_BATCH_BYTES = 1 << 20  # fresh memory is dear: each new page of it costs as much as some hundred bytes of text
_BATCHES_AHEAD = 2  # read while those before are counted; neither waits for the other's odd batch
_NO_WEIGHTS = np.zeros(0, np.int64)
_LEARNED, _HELD_OUT = range(2)

_Batch = tuple[list[bytes], list[bytes]]  # texts to learn from, and held out


@dataclass(frozen=True)
class CorpusFacts:
    """What was counted.

    Attributes:
        documents: documents counted.
        text_bytes: bytes of text counted.
        replaced: invalid byte sequences that became U+FFFD.
        fingerprint: of all documents' text, whatever their order (`records.fingerprint`).
    """

    documents: int = 0
    text_bytes: int = 0
    replaced: int = 0
    fingerprint: int = 0

    def __add__(self, other: CorpusFacts) -> CorpusFacts:
        return CorpusFacts(
            self.documents + other.documents,
            self.text_bytes + other.text_bytes,
            self.replaced + other.replaced,
            (self.fingerprint + other.fingerprint) % 2**64,
        )

    def for_manifest(self) -> dict[str, Any]:
        """What a manifest says of the corpus."""
        return {
            "documents": self.documents,
            "text_bytes": self.text_bytes,
            "replaced": self.replaced,
            "fingerprint": f"{self.fingerprint:016x}",
        }


@dataclass(frozen=True)
class ChunkCounts:
    """How often each distinct chunk occurs.

    Attributes:
        chunks: ``uint8``, the chunks one after another.
        ends: ``int64[n]``, the end of each in ``chunks``.
        counts: ``int64[n]``, in the documents to learn from.
        held_out: ``int64[n]``, in those held out.
    """

    chunks: Bytes
    ends: Ints
    counts: Ints
    held_out: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if not len(self.held_out):
            object.__setattr__(self, "held_out", np.zeros(len(self.counts), np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def strings(self, rows: Ints | None = None) -> list[str]:
        """The chunks as strings, all of them or those of some rows."""
        text, starts, ends = self.chunks.tobytes(), np.append(0, self.ends)[:-1], self.ends
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        return [text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class ChunkCounter:
    """Counts of chunks that grow document by document, or by whole results of others.

    >>> from wpprep.tokenizer.cut_rule import blank_rule
    >>> counter = ChunkCounter(blank_rule())
    >>> counter.add_documents([Document("1", "to be or not to be")])
    >>> counter.result().counts.tolist()
    [2, 2, 1, 1]

    Args:
        read_ahead: reads documents while a thread counts those before (the kernels need no interpreter).

    Attributes:
        learned, held_out: facts of the documents to learn from, and of those held out.
    """

    def __init__(self, rule: CutRule, *, read_ahead: bool = False) -> None:
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
            is_held_out: tells by a document's fingerprint whether it is held out; by default none is.
            after_batch: is called after every few megabytes.
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
        """Texts in batches of a few megabytes; the facts grow with them."""
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
        """Add the counts of another counter under the same rule."""
        codes = self._table.add(other.chunks, other.ends)
        self._tally(codes, other.counts, _LEARNED)
        self._tally(codes, other.held_out, _HELD_OUT)

    def result(self) -> ChunkCounts:
        """The counts so far, in the order in which chunks were first seen."""
        n = len(self._table)
        starts = self._table.starts[: n + 1]
        learned, held_out = self._counts[:, :n].copy()
        return ChunkCounts(self._table.blob[: starts[n]].copy(), starts[1:].copy(), learned, held_out)

    def clear(self) -> None:
        """Forget the chunks counted so far, but not the facts."""
        self._table.clear()
        self._counts = np.zeros((2, 1 << 15), np.int64)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Memory held for chunks and counts, in bytes."""
        return self._table.nbytes + self._counts.nbytes

    def _scan(self, batch: _Batch) -> None:
        for column, texts in enumerate(batch):
            if texts:
                ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
                codes, _ = self._table.scan(np.frombuffer(b"".join(texts), np.uint8), ends)
                self._tally(codes, _NO_WEIGHTS, column)

    def _tally(self, codes: np.ndarray[tuple[int], np.dtype[np.int32]], weights: Ints, column: int) -> None:
        if len(self._table) > self._counts.shape[1]:
            more = np.zeros((2, 2 * len(self._table) - self._counts.shape[1]), np.int64)
            self._counts = np.concatenate([self._counts, more], axis=1)
        tally(codes, weights, self._counts[column])
