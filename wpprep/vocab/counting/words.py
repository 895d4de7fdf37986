"""Words of counted chunks, after normalisation and pre-tokenization; each distinct chunk is processed once.

Most chunks are spelled character by character in a kernel (`spelling`); the others go through the `tokenizers`
library, which defines the result. This module does not read text or cut chunks (`counts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wpprep.errors import VocabularyError
from wpprep.kernels import kernel
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.cut_rule import blank_rule
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.utf8 import CODE_POINTS, code_point_at
from wpprep.vocab.counting.counts import ChunkCounter, ChunkCounts
from wpprep.vocab.counting.spelling import words_of_chunks

_MAX_SHARE = 0.01  # fraction of Hangul and kana up to which accents are stripped


@dataclass(frozen=True)
class WordCounts:
    """Distinct words with their counts, in no particular order.

    >>> words = WordCounts.of({"ab": 3, "한": 2})
    >>> len(words), words.text.tobytes().decode(), words.ends.tolist()
    (2, 'ab한', [2, 5])

    Attributes:
        text: ``uint8``, the words in UTF-8, concatenated.
        ends: ``int64[n]``, the end of each in ``text``.
        counts: ``int64[n]``, occurrences of each word.
    """

    text: Bytes
    ends: Ints
    counts: Ints

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> WordCounts:
        """Convert a dictionary of words and counts."""
        words = [word.encode() for word in counts]
        return cls(
            np.frombuffer(b"".join(words), np.uint8),
            np.cumsum([len(word) for word in words], dtype=np.int64),
            np.fromiter(counts.values(), np.int64, len(words)),
        )

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.ends)

    def characters(self) -> Ints:
        """Count the occurrences of each code point, ``int64[0x110000]``."""
        totals = np.zeros(CODE_POINTS, np.int64)
        _add_characters(self.text, self.ends, self.counts, totals)
        return totals

    def as_dict(self) -> dict[str, int]:
        """Return the words and counts as a dictionary."""
        words = ChunkCounts(self.text, self.ends, self.counts).strings()
        return dict(zip(words, self.counts.tolist(), strict=True))


class PutAside(Protocol):
    """The interface of `runs.Spill`: a store on disk for counts above a memory limit, in bytes."""

    memory: int

    def put_aside(self, counts: ChunkCounts) -> None:
        """Store counts."""

    def merged_counts(self) -> Iterator[ChunkCounts]:
        """Yield all stored counts, each chunk once."""


def count_words(
    parts: Iterable[ChunkCounts], rules: TextRules, min_word_count: int = 1, aside: PutAside | None = None
) -> WordCounts:
    """Count the words of chunks, and drop those below ``min_word_count`` in total.

    Args:
        parts: counted chunks, in any number of parts; the counts in the documents to learn from are used.
        rules: normalisation and pre-tokenization, which define the words.
        min_word_count: minimum count of a word in the result.
        aside: store for the words whenever they exceed its memory limit; None keeps all in memory.

    Raises:
        VocabularyError: the rules strip accents, and at least 1 % of the text is Hangul or kana.
    """
    counter, is_aside = WordCounter(rules), False
    for part in parts:
        counter.add(part)
        if aside is not None and counter.nbytes > aside.memory:
            is_aside = True
            aside.put_aside(counter.result())
            counter.clear()
    counter.check_accents()
    if aside is None or not is_aside:
        return _frequent([counter.result()], min_word_count)
    aside.put_aside(counter.result())
    return _frequent(aside.merged_counts(), min_word_count)


def _frequent(parts: Iterable[ChunkCounts], min_word_count: int) -> WordCounts:
    """Return the words with a count of ``min_word_count`` or more."""
    texts, lengths, counts = [], [], []
    for part in parts:
        chosen = part.counts >= min_word_count
        of_part = np.diff(part.ends, prepend=0)
        texts.append(part.chunks if chosen.all() else part.chunks[np.repeat(chosen, of_part)])
        lengths.append(of_part[chosen])
        counts.append(part.counts[chosen])
    return WordCounts(np.concatenate(texts), np.cumsum(np.concatenate(lengths)), np.concatenate(counts))


class WordCounter:
    """Counter of words, to which counted chunks are added."""

    def __init__(self, rules: TextRules) -> None:
        """Start with no words."""
        self._rules = rules
        self._counter = ChunkCounter(blank_rule())
        self._characters = np.zeros(3, np.int64)  # occurrences of Hangul, of kana, and of all characters

    def add(self, counts: ChunkCounts) -> None:
        """Add the words of chunks, with the chunks' counts in the documents to learn from."""
        if len(counts) and not counts.counts.all():  # some chunks are in held-out documents only
            counts = _taken(counts, np.flatnonzero(counts.counts), np.diff(counts.ends, prepend=0))
        if self._rules.strips_accents:
            self._characters += _at_risk(counts)
        words, is_left = words_of_chunks(counts, self._rules.characters)
        self._counter.add(words)
        self._add_others(_taken(counts, np.flatnonzero(is_left), np.diff(counts.ends, prepend=0)))

    def result(self) -> ChunkCounts:
        """Return the words so far."""
        return self._counter.result()

    def clear(self) -> None:
        """Remove the words so far, after they were stored elsewhere."""
        self._counter.clear()

    def check_accents(self) -> None:
        """Raise if stripping accents would decompose Hangul syllables or remove dakuten.

        Raises:
            VocabularyError: at least 1 % of the characters are affected; names the option to use.
        """
        hangul, kana, all_ = self._characters.tolist()
        share = (hangul + kana) / max(1, all_)
        if share >= _MAX_SHARE:
            lost = " and ".join(
                name
                for name, count in (
                    ("Hangul syllables would be decomposed into letters", hangul),
                    ("kana would lose their dakuten (\u304c becomes \u304b)", kana),
                )
                if count
            )
            raise VocabularyError(
                f"strip_accents: {share:.1%} of the characters of this corpus are Hangul or kana: {lost}; use "
                "keep_accents (--keep-accents), which keeps them; lowercase alone does not change them"
            )

    @property
    def nbytes(self) -> int:
        """Memory used by words and counts, in bytes."""
        return self._counter.nbytes

    def _add_others(self, others: ChunkCounts) -> None:
        """Add the words of chunks that go through the `tokenizers` library."""
        words: list[bytes] = []
        times: list[int] = []
        for made, count in zip(
            self._rules.words_of_each(others.strings()), others.counts.tolist(), strict=True
        ):
            words += map(str.encode, made)
            times += [count] * len(made)
        ends = np.cumsum([len(word) for word in words], dtype=np.int64)
        text = np.frombuffer(b"".join(words), np.uint8)
        self._counter.add(ChunkCounts(text, ends, np.array(times, np.int64)))


def _taken(counts: ChunkCounts, rows: Ints, lengths: Ints) -> ChunkCounts:
    """Return the chunks at the indices ``rows``, ascending; ``lengths`` are those of all chunks."""
    chosen = np.zeros(len(counts), np.bool_)
    chosen[rows] = True
    text = counts.chunks[np.repeat(chosen, lengths)]
    return ChunkCounts(text, np.cumsum(lengths[rows]), counts.counts[rows])


def _at_risk(counts: ChunkCounts) -> Ints:
    """Count the occurrences of Hangul, of kana, and of all characters."""
    characters = WordCounts(counts.chunks, counts.ends, counts.counts).characters()
    return np.array([characters[0xAC00:0xD7A4].sum(), characters[0x3040:0x3100].sum(), characters.sum()])


@kernel
def _add_characters(text: Bytes, ends: Ints, counts: Ints, totals: Ints) -> None:
    """Add the occurrences of each code point to ``totals``, ``int64[0x110000]``."""
    i = np.uint64(0)
    for w in range(len(ends)):
        while i < np.uint64(ends[w]):
            code_point, width = np.uint64(text[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(text, i)
            totals[code_point] += counts[w]
            i += width
