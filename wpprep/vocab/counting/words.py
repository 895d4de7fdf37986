"""Words: what the tokenizer makes of counted chunks, each of which is looked at once.

Most chunks are spelled character by character (`spelling`); the others go through the tokenizer.
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

_NOTICEABLE = 0.01  # share of Hangul and kana in the text


@dataclass(frozen=True)
class WordCounts:
    """Distinct words with their counts, in no order that means anything.

    >>> words = WordCounts.of({"ab": 3, "한": 2})
    >>> len(words), words.text.tobytes().decode(), words.ends.tolist()
    (2, 'ab한', [2, 5])

    Attributes:
        text: ``uint8``, the words in UTF-8, one after another.
        ends: ``int64[n]``, the end of each in ``text``.
        counts: ``int64[n]``.
    """

    text: Bytes
    ends: Ints
    counts: Ints

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> WordCounts:
        """Words from a dictionary."""
        words = [word.encode() for word in counts]
        return cls(
            np.frombuffer(b"".join(words), np.uint8),
            np.cumsum([len(word) for word in words], dtype=np.int64),
            np.fromiter(counts.values(), np.int64, len(words)),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def characters(self) -> Ints:
        """``int64[0x110000]``, how often each code point occurs."""
        totals = np.zeros(CODE_POINTS, np.int64)
        _add_characters(self.text, self.ends, self.counts, totals)
        return totals

    def as_dict(self) -> dict[str, int]:
        """Words as a dictionary."""
        words = ChunkCounts(self.text, self.ends, self.counts).strings()
        return dict(zip(words, self.counts.tolist(), strict=True))


class PutAside(Protocol):
    """Where words go that outgrow memory (`runs.Spill`)."""

    memory: int

    def put_aside(self, counts: ChunkCounts) -> None: ...

    def merged_counts(self) -> Iterator[ChunkCounts]: ...


def count_words(
    parts: Iterable[ChunkCounts], rules: TextRules, min_word_count: int = 1, aside: PutAside | None = None
) -> WordCounts:
    """Counts of words, those below ``min_word_count`` left out when all are known.

    Args:
        parts: counted chunks, in any number of parts; their documents to learn from are taken.
        aside: takes the words whenever they hold more than its memory; None keeps all at hand.

    Raises:
        VocabularyError: the rules strip accents, and the text is Korean or Japanese to a noticeable share.
    """
    counter, is_aside = WordCounter(rules), False
    for part in parts:
        counter.add(part)
        if aside is not None and counter.nbytes > aside.memory:
            is_aside = True
            aside.put_aside(counter.result())
            counter.clear()
    counter.refuse_loss()
    if aside is None or not is_aside:
        return _frequent([counter.result()], min_word_count)
    aside.put_aside(counter.result())
    return _frequent(aside.merged_counts(), min_word_count)


def _frequent(parts: Iterable[ChunkCounts], min_word_count: int) -> WordCounts:
    """The words that are counted so often."""
    texts, lengths, counts = [], [], []
    for part in parts:
        chosen = part.counts >= min_word_count
        of_part = np.diff(part.ends, prepend=0)
        texts.append(part.chunks if chosen.all() else part.chunks[np.repeat(chosen, of_part)])
        lengths.append(of_part[chosen])
        counts.append(part.counts[chosen])
    return WordCounts(np.concatenate(texts), np.cumsum(np.concatenate(lengths)), np.concatenate(counts))


class WordCounter:
    """Words of chunks that come in any number of parts."""

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules
        self._counter = ChunkCounter(blank_rule())
        self._characters = np.zeros(3, np.int64)  # Hangul, kana, all

    def add(self, counts: ChunkCounts) -> None:
        """Count the words of chunks."""
        if len(counts) and not counts.counts.all():  # chunks that only held-out documents have
            counts = _taken(counts, np.flatnonzero(counts.counts), np.diff(counts.ends, prepend=0))
        if self._rules.strips_accents:
            self._characters += _at_risk(counts)
        words, is_left = words_of_chunks(counts, self._rules.characters)
        self._counter.add(words)
        self._add_others(_taken(counts, np.flatnonzero(is_left), np.diff(counts.ends, prepend=0)))

    def result(self) -> ChunkCounts:
        """The words so far."""
        return self._counter.result()

    def clear(self) -> None:
        """Forget the words, which were put aside."""
        self._counter.clear()

    def refuse_loss(self) -> None:
        """Stop where stripping accents would take Hangul syllables apart or dakuten away."""
        hangul, kana, all_ = self._characters.tolist()
        share = (hangul + kana) / max(1, all_)
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

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._counter.nbytes

    def _add_others(self, others: ChunkCounts) -> None:
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
    """Some of the chunks."""
    chosen = np.zeros(len(counts), np.bool_)
    chosen[rows] = True
    text = counts.chunks[np.repeat(chosen, lengths)]
    return ChunkCounts(text, np.cumsum(lengths[rows]), counts.counts[rows])


def _at_risk(counts: ChunkCounts) -> Ints:
    """Characters of the text that are Hangul, kana, and all."""
    characters = WordCounts(counts.chunks, counts.ends, counts.counts).characters()
    return np.array([characters[0xAC00:0xD7A4].sum(), characters[0x3040:0x3100].sum(), characters.sum()])


@kernel
def _add_characters(text: Bytes, ends: Ints, counts: Ints, totals: Ints) -> None:
    i = np.uint64(0)
    for w in range(len(ends)):
        while i < np.uint64(ends[w]):
            code_point, width = np.uint64(text[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(text, i)
            totals[code_point] += counts[w]
            i += width
