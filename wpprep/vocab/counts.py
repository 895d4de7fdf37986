"""Counting: the distinct chunks of a corpus, and the words they make.

A chunk is what the scanner cuts, raw; a word is what the tokenizer makes of it. Every distinct chunk is
normalised once, however often it occurs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wpprep.encode.scanner import Bytes, ChunkTable, CutRule, tally
from wpprep.records import Document, Ints, fingerprint
from wpprep.vocab.normalization import TextRules

_BATCH_BYTES = 1 << 22
_NO_WEIGHTS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class ChunkCounts:
    """How often each distinct chunk occurs.

    Attributes:
        chunks: ``uint8``, the chunks one after another.
        ends: ``int64[n]``, the end of each in ``chunks``.
        counts: ``int64[n]``.
        documents: documents counted.
        text_bytes: bytes of text counted.
        replaced: invalid byte sequences that became U+FFFD.
        fingerprint: of all documents' text, whatever their order (`records.fingerprint`).
    """

    chunks: Bytes
    ends: Ints
    counts: Ints
    documents: int = 0
    text_bytes: int = 0
    replaced: int = 0
    fingerprint: int = 0

    def facts(self) -> dict[str, Any]:
        """What a manifest says of the corpus."""
        return {
            "documents": self.documents,
            "text_bytes": self.text_bytes,
            "replaced": self.replaced,
            "fingerprint": f"{self.fingerprint:016x}",
        }


class ChunkCounter:
    """Counts of chunks that grow document by document, or by whole results of others.

    >>> from wpprep.encode.scanner import blank_rule
    >>> counter = ChunkCounter(blank_rule())
    >>> counter.add_documents([Document("1", "to be or not to be")])
    >>> counter.result().counts.tolist()
    [2, 2, 1, 1]
    """

    def __init__(self, rule: CutRule) -> None:
        self._table = ChunkTable(rule)
        self._counts = np.zeros(1 << 15, np.int64)
        self._documents = self._text_bytes = self._replaced = self._fingerprint = 0

    def add_documents(self, documents: Iterable[Document]) -> None:
        """Count the chunks of documents."""
        batch: list[bytes] = []
        size = 0
        for document in documents:
            text = document.text.encode()
            batch.append(text)
            size += len(text)
            self._replaced += document.replaced
            self._fingerprint = (self._fingerprint + fingerprint(text)) % 2**64
            if size >= _BATCH_BYTES:
                self._scan(batch)
                batch, size = [], 0
        self._scan(batch)

    def add(self, other: ChunkCounts) -> None:
        """Add the counts of another counter under the same rule."""
        self._tally(self._table.add(other.chunks, other.ends), other.counts)
        self._documents += other.documents
        self._text_bytes += other.text_bytes
        self._replaced += other.replaced
        self._fingerprint = (self._fingerprint + other.fingerprint) % 2**64

    def result(self) -> ChunkCounts:
        """The counts so far, in the order in which chunks were first seen."""
        n = len(self._table)
        starts = self._table.starts[: n + 1]
        return ChunkCounts(
            self._table.blob[: starts[n]].copy(), starts[1:].copy(), self._counts[:n].copy(),
            self._documents, self._text_bytes, self._replaced, self._fingerprint,
        )  # fmt: skip

    def _scan(self, batch: list[bytes]) -> None:
        text = np.frombuffer(b"".join(batch), np.uint8)
        codes, _ = self._table.scan(text, np.cumsum([len(document) for document in batch], dtype=np.int64))
        self._tally(codes, _NO_WEIGHTS)
        self._documents += len(batch)
        self._text_bytes += len(text)

    def _tally(self, codes: np.ndarray[tuple[int], np.dtype[np.int32]], weights: Ints) -> None:
        if len(self._table) > len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(2 * len(self._table), np.int64)])
        tally(codes, weights, self._counts)


def count_words(counts: ChunkCounts, rules: TextRules, min_word_count: int) -> dict[str, int]:
    """Counts of words, those below ``min_word_count`` left out, in the order of their characters' code points.

    Sorting makes what follows independent of the order in which slices were counted.
    """
    text = counts.chunks.tobytes()
    edges = [0, *counts.ends.tolist()]
    chunks = [text[edges[i] : edges[i + 1]].decode() for i in range(len(edges) - 1)]
    words: dict[str, int] = {}
    for count, made in zip(counts.counts.tolist(), rules.words_of_each(chunks), strict=True):
        for word in made:
            words[word] = words.get(word, 0) + count
    return {word: words[word] for word in sorted(words) if words[word] >= max(1, min_word_count)}
