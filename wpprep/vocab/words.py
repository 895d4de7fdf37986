"""Words: what the tokenizer makes of counted chunks, each of which is looked at once.

Most chunks are runs of ASCII letters or digits. The rules change these letter by letter and keep them in one
word, so they are turned into words all at once, by a table over their bytes; the others go through the
tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wpprep.encode.scanner import blank_rule
from wpprep.errors import VocabularyError
from wpprep.records import Bytes, Ints, offsets_of
from wpprep.vocab.counts import ChunkCounter, ChunkCounts
from wpprep.vocab.normalization import BLANK_BYTE, LINE_FEED_BYTE, TextRules

_NOTICEABLE = 0.01  # share of Hangul and kana in the text
_SPACE, _LINE_FEED = 32, 10
_PREFIX = np.frombuffer(BLANK_BYTE.encode(), np.uint8)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class WordCounts:
    """Distinct words with their counts, in no order that means anything.

    >>> words = WordCounts.of({"ab": 3, "한": 2})
    >>> len(words), words.code_points().tolist(), words.lengths().tolist()
    (2, [97, 98, 54620], [2, 1])

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

    def code_points(self) -> npt.NDArray[np.uint32]:
        """The characters of all words, one word after another."""
        return np.frombuffer(self.text.tobytes().decode().encode("utf-32-le"), np.uint32)

    def lengths(self) -> Ints:
        """Of each word, in characters."""
        return np.diff(offsets_of((self.text & 0xC0) != 0x80)[self.ends], prepend=0)

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
        lengths = np.diff(counts.ends, prepend=0)
        first = counts.chunks[counts.ends - lengths] if len(counts) else counts.chunks
        is_prefix = np.isin(first, [_SPACE, _LINE_FEED]) & (lengths > 1) & self._rules.byte_level
        is_plain = self._plain(counts, lengths, is_prefix)
        # 1. Plain chunks, without the blank or line feed in front of them under byte-level rules.
        has_space, has_line_feed = is_prefix & (first == _SPACE), is_prefix & (first == _LINE_FEED)
        inside = np.repeat(is_plain, lengths)
        inside[(counts.ends - lengths)[is_prefix]] = False
        letters = self._rules.letter_bytes[counts.chunks[inside]]
        bare, with_space = is_plain & ~has_space, is_plain & has_space
        is_bare = np.repeat(bare[is_plain], (lengths - is_prefix)[is_plain])
        self._add_words(letters[is_bare], (lengths - is_prefix)[bare], counts.counts[bare])
        self._add_words(*_with_prefix(letters[~is_bare], (lengths - 1)[with_space]), counts.counts[with_space])
        feeds = int(counts.counts[is_plain & has_line_feed].sum())
        if feeds:
            self._add_strings([LINE_FEED_BYTE], [feeds])
        # 2. All others.
        others = np.flatnonzero(~is_plain)
        self._add_others(_taken(counts, others, lengths))

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

    def _plain(self, counts: ChunkCounts, lengths: Ints, is_prefix: Mask) -> Mask:
        """Which chunks are ASCII letters or digits; at byte level all of one kind, a prefix not looked at."""
        kinds = (_IS_LETTER, _IS_DIGIT) if self._rules.byte_level else (_IS_LETTER | _IS_DIGIT,)
        is_plain = np.zeros(len(counts), np.bool_)
        for kind in kinds:
            of_kind = np.diff(offsets_of(kind[counts.chunks])[counts.ends], prepend=0)
            is_plain |= of_kind == lengths - is_prefix
        return is_plain

    def _add_others(self, others: ChunkCounts) -> None:
        words: list[str] = []
        times: list[int] = []
        for made, count in zip(
            self._rules.words_of_each(others.strings()), others.counts.tolist(), strict=True
        ):
            words += made
            times += [count] * len(made)
        self._add_strings(words, times)

    def _add_strings(self, words: list[str], counts: list[int]) -> None:
        encoded = [word.encode() for word in words]
        lengths = np.array([len(word) for word in encoded], np.int64)
        text = np.frombuffer(b"".join(encoded), np.uint8)
        self._add_words(text, lengths, np.array(counts, np.int64))

    def _add_words(self, text: Bytes, lengths: Ints, counts: Ints) -> None:
        self._counter.add(ChunkCounts(text, np.cumsum(lengths), counts))


def _byte_kind(test: Any) -> Mask:
    return np.array([code < 128 and test(chr(code)) for code in range(256)])


_IS_LETTER, _IS_DIGIT = _byte_kind(str.isalpha), _byte_kind(str.isdigit)


def _with_prefix(text: Bytes, lengths: Ints) -> tuple[Bytes, Ints]:
    """Words with the mark of a blank before each, and their lengths."""
    longer = lengths + len(_PREFIX)
    starts = np.cumsum(longer) - longer
    is_prefix = np.zeros(int(longer.sum()), np.bool_)
    marked = np.empty(len(is_prefix), np.uint8)
    for i, byte in enumerate(_PREFIX):
        is_prefix[starts + i] = True
        marked[starts + i] = byte
    marked[~is_prefix] = text
    return marked, longer


def _taken(counts: ChunkCounts, rows: Ints, lengths: Ints) -> ChunkCounts:
    """Some of the chunks."""
    chosen = np.zeros(len(counts), np.bool_)
    chosen[rows] = True
    text = counts.chunks[np.repeat(chosen, lengths)]
    return ChunkCounts(text, np.cumsum(lengths[rows]), counts.counts[rows])


def _at_risk(counts: ChunkCounts) -> Ints:
    """Characters of the text that are Hangul, kana, and all."""
    words = WordCounts(counts.chunks, counts.ends, counts.counts)
    code_points, weights = words.code_points(), np.repeat(counts.counts, words.lengths())
    hangul = weights[(code_points >= 0xAC00) & (code_points <= 0xD7A3)].sum()
    kana = weights[(code_points >= 0x3040) & (code_points <= 0x30FF)].sum()
    return np.array([hangul, kana, weights.sum()])
