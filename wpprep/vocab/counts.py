"""Counting: the distinct chunks of a corpus, and the words they make.

A chunk is what the scanner cuts, raw; a word is what the tokenizer makes of it. Every distinct chunk is
normalised once, however often it occurs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wpprep.encode.scanner import ChunkTable, CutRule, tally
from wpprep.errors import VocabularyError
from wpprep.records import Bytes, Document, Ints, fingerprint
from wpprep.vocab.normalization import TextRules

_BATCH_BYTES = 1 << 22
_NOTICEABLE = 0.01  # share of Hangul and kana in the text
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
    """Counts of words, those below ``min_word_count`` left out, in no order that means anything.

    Raises:
        VocabularyError: the rules strip accents, and the text is Korean or Japanese to a noticeable share.
    """
    text = counts.chunks.tobytes()
    edges = [0, *counts.ends.tolist()]
    chunks = [text[start:end].decode() for start, end in itertools.pairwise(edges)]
    if rules.strips_accents:
        _refuse_loss(chunks, counts.counts)
    words: dict[str, int] = {}
    known = words.get
    for made, count in zip(rules.words_of_each(chunks), counts.counts.tolist(), strict=True):
        for word in made:
            words[word] = known(word, 0) + count
    if min_word_count > 1:
        words = {word: count for word, count in words.items() if count >= min_word_count}
    return words


def _refuse_loss(chunks: list[str], counts: Ints) -> None:
    """Stop where stripping accents would take Hangul syllables apart or dakuten away."""
    code_points = np.frombuffer("".join(chunks).encode("utf-32-le", "surrogatepass"), np.uint32)
    weights = np.repeat(counts, np.fromiter(map(len, chunks), np.int64, len(chunks)))
    hangul = int(weights[(code_points >= 0xAC00) & (code_points <= 0xD7A3)].sum())
    kana = int(weights[(code_points >= 0x3040) & (code_points <= 0x30FF)].sum())
    share = (hangul + kana) / max(1, int(weights.sum()))
    if share >= _NOTICEABLE:
        lost = " and ".join(
            name
            for name, count in (
                ("Hangul syllables would fall apart into their letters", hangul),
                ("kana would lose their dakuten (\u304c becomes \u304b)", kana),
            )
            if count
        )
        raise VocabularyError(
            f"strip_accents on this corpus, of which {share:.1%} are Hangul or kana: {lost}; "
            "keep_accents (--keep-accents) keeps them, lowercase alone does not touch them"
        )
