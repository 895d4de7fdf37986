"""Statistics of tokenizers on held-out text, comparable between tokenizers.

Bits per byte is the cost of the text under the unigram distribution of its own tokens, which the score
`likelihood` improves. Each [UNK] costs eight bits per byte of the text it replaces in addition, so that a
vocabulary gains nothing by lacking characters. Bits per byte does not depend on how a tokenizer splits words,
while tokens per word does (the words of a byte-level tokenizer include the blank before them).

These statistics describe the encoding only; whether a model trains better on it is not measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from wpprep.records import Ints, in_batches
from wpprep.vocab.counting.counts import ChunkCounts

LONGEST = 20  # last bin of the histogram of token lengths, in characters

_BATCH = 256  # texts per call of encode


@dataclass(frozen=True)
class Quality:
    """Statistics of one tokenizer on one text.

    Attributes:
        entries: size of the vocabulary.
        words: number of words.
        tokens: number of tokens.
        text_bytes: size of the text in UTF-8.
        tokens_per_word: 1 is the minimum.
        bytes_per_token: bytes of UTF-8 per token.
        bits_per_byte: unigram entropy of the tokens per byte of text; lower is better.
        unk_share: fraction of the tokens that are [UNK].
        whole_words: fraction of the words that are one token other than [UNK].
        unused: number of entries that do not occur in the text.
    """

    entries: int
    words: int
    tokens: int
    text_bytes: int
    tokens_per_word: float
    bytes_per_token: float
    bits_per_byte: float
    unk_share: float
    whole_words: float
    unused: int


class Encoded(NamedTuple):
    """Encoded texts, their tokens concatenated.

    Attributes:
        ids: ``int64[tokens]``.
        ends: ``int64[texts]``, the end of each text's tokens.
        starts: ``bool[tokens]``, true where a token starts a word.
        spans: ``int64[tokens, 2]``, start and end of each token in its text, in characters.
    """

    ids: Ints
    ends: Ints
    starts: np.ndarray[tuple[int], np.dtype[np.bool_]]
    spans: np.ndarray[tuple[int, int], np.dtype[np.int64]]


class Subject(NamedTuple):
    """A tokenizer to measure.

    Attributes:
        entries: size of the vocabulary.
        unk: id of the unknown token, -1 if there is none.
        encode: encodes texts, without adding special tokens.
    """

    entries: int
    unk: int
    encode: Callable[[Sequence[str]], Encoded]


class Measured:
    """Running statistics of a tokenizer, updated batch by batch.

    Attributes:
        counts: ``int64[entries]``, number of tokens of each entry.
        lengths: ``int64[LONGEST + 1]``, number of tokens by length in characters, longer ones in the last bin.
    """

    def __init__(self, subject: Subject) -> None:
        """Start with no text measured."""
        self._subject = subject
        self.counts = np.zeros(subject.entries, np.int64)
        self.lengths = np.zeros(LONGEST + 1, np.int64)
        self._words = self._whole = self._text_bytes = self._lost_bytes = 0

    def add(self, texts: Sequence[tuple[str, int]]) -> None:
        """Measure pairs of a text and the number of times it occurs."""
        counts = np.array([times for _, times in texts], np.int64)
        self._text_bytes += sum(times * len(text.encode()) for text, times in texts)
        ids, ends, starts, spans = self._subject.encode([text for text, _ in texts])
        of_text = np.repeat(np.arange(len(texts)), np.diff(ends, prepend=0))
        times = counts[of_text]
        np.add.at(self.counts, ids, times)
        np.add.at(self.lengths, np.minimum(spans[:, 1] - spans[:, 0], LONGEST), times)
        words = np.flatnonzero(starts)
        is_whole = (np.diff(words, append=len(ids)) == 1) & (ids[words] != self._subject.unk)
        self._words += int(times[words].sum())
        self._whole += int(times[words[is_whole]].sum())
        for i in np.flatnonzero(ids == self._subject.unk).tolist():
            lost = texts[of_text[i]][0][slice(*spans[i].tolist())]
            self._lost_bytes += int(times[i]) * len(lost.encode())

    def quality(self, text_bytes: int | None = None) -> Quality:
        """Return the statistics; ``text_bytes`` is the size of the text if its blanks were not measured."""
        size = text_bytes or self._text_bytes
        return _quality(self.counts, self._words, self._whole, size, self._lost_bytes, self._subject.unk)


def subject_of(tokenizer: Tokenizer) -> Subject:
    """Wrap a tokenizer of the `tokenizers` library."""

    def encode(texts: Sequence[str]) -> Encoded:
        found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ends = np.cumsum([len(each.ids) for each in found], dtype=np.int64)
        ids = np.array([i for each in found for i in each.ids], np.int64)
        of_word = np.array([-1 if word is None else word for each in found for word in each.word_ids], np.int64)
        before = np.concatenate([[-1], of_word])
        before[ends] = -1  # words are numbered within their text
        starts = of_word != before[:-1]
        spans = np.array([span for each in found for span in each.offsets], np.int64).reshape(-1, 2)
        return Encoded(ids, ends, starts, spans)

    entries = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    return Subject(entries, _unknown_id(tokenizer), encode)


def measure(tokenizer: Tokenizer, texts: Iterable[str]) -> Quality:
    """Encode texts and return their statistics.

    Args:
        tokenizer: any tokenizer of the `tokenizers` library; special tokens are not added.
        texts: documents that the vocabulary was not learned from.
    """
    measured = Measured(subject_of(tokenizer))
    for batch in _batches((text, 1) for text in texts):
        measured.add(batch)
    return measured.quality()


def measure_counts(tokenizer: Tokenizer, parts: Iterable[ChunkCounts], text_bytes: int) -> Quality:
    """Return the same statistics from the counted chunks of held-out documents, encoding each chunk once.

    Args:
        tokenizer: any tokenizer of the `tokenizers` library; special tokens are not added.
        parts: counted chunks; only their ``held_out`` counts are used.
        text_bytes: size of the held-out documents, blanks between chunks included.
    """
    chunks = (
        chunk_and_times
        for part in parts
        for rows in [np.flatnonzero(part.held_out)]
        for chunk_and_times in zip(part.strings(rows), part.held_out[rows].tolist(), strict=True)
    )
    measured = Measured(subject_of(tokenizer))
    for batch in _batches(chunks):
        measured.add(batch)
    return measured.quality(text_bytes)


def compare(subjects: Mapping[str, Subject], texts: Iterable[str]) -> dict[str, Measured]:
    """Measure several tokenizers on the same texts; keys as in ``subjects``."""
    measured = {name: Measured(subject) for name, subject in subjects.items()}
    for batch in _batches((text, 1) for text in texts):
        for each in measured.values():
            each.add(batch)
    return measured


def table(qualities: Mapping[str, Quality]) -> list[str]:
    """Format statistics as lines of text: a heading, then one line per tokenizer."""
    width = max(map(len, qualities), default=0)
    head = f"{'':{width}}  entries  tokens/word  bytes/token  bits/byte  [UNK]    whole words  never used"
    return [
        head,
        *(
            f"{name:{width}} {q.entries:>8,} {q.tokens_per_word:12.4f} {q.bytes_per_token:12.3f} "
            f"{q.bits_per_byte:10.4f} {q.unk_share:7.3%} {q.whole_words:12.2%} {q.unused:>11,}"
            for name, q in qualities.items()
        ),
    ]


def _quality(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]],
    words: int,
    whole: int,
    text_bytes: int,
    lost_bytes: int,
    unk: int,
) -> Quality:
    """Compute the statistics from the number of tokens of each entry, ``int64[entries]``, and the totals."""
    tokens = int(counts.sum())
    used = counts[counts > 0]
    bits = float((used * -np.log2(used / max(1, tokens))).sum()) + 8 * lost_bytes
    return Quality(
        entries=len(counts),
        words=words,
        tokens=tokens,
        text_bytes=text_bytes,
        tokens_per_word=tokens / max(1, words),
        bytes_per_token=text_bytes / max(1, tokens),
        bits_per_byte=bits / max(1, text_bytes),
        unk_share=(int(counts[unk]) if unk >= 0 else 0) / max(1, tokens),
        whole_words=whole / max(1, words),
        unused=int((counts == 0).sum()),
    )


def _unknown_id(tokenizer: Tokenizer) -> int:
    """Return the id of the unknown token, or -1 if there is none."""
    name = getattr(tokenizer.model, "unk_token", None)
    found = tokenizer.token_to_id(name) if name else None
    return -1 if found is None else int(found)


def _batches(texts: Iterable[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Group texts into batches of `_BATCH`."""
    return in_batches(texts, lambda _: 1, _BATCH)
