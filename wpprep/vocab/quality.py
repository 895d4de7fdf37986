"""How good a vocabulary is on text it was not made from: figures that can be compared between tokenizers.

Bits per byte is the cost of the text under the unigram distribution of its own tokens, the measure that the
score `likelihood` improves; an [UNK] is charged its piece of text at eight bits a byte on top, so that no
vocabulary gains by not knowing characters. It does not depend on how a tokenizer cuts words, while tokens
per word does (a byte-level tokenizer's words hold their blank).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from wpprep.vocab.counts import ChunkCounts

_BATCH = 256  # texts encoded at once


@dataclass(frozen=True)
class Quality:
    """Figures of one tokenizer on one text.

    Attributes:
        entries: size of the vocabulary.
        words, tokens, text_bytes: what was measured.
        tokens_per_word: 1 is the best.
        bytes_per_token: of UTF-8.
        bits_per_byte: unigram entropy of the tokens, per byte of text.
        unk_share: of the tokens.
        whole_words: share of the words that are one token, not [UNK].
        unused: entries that the text never uses.
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


def measure(tokenizer: Tokenizer, texts: Iterable[str]) -> Quality:
    """Encode texts and take the figures.

    Args:
        tokenizer: any tokenizer of the library; special tokens are not added.
        texts: documents that the vocabulary was not learned from.
    """
    return _measure(tokenizer, ((text, 1) for text in texts), None)


def measure_counts(tokenizer: Tokenizer, parts: Iterable[ChunkCounts], text_bytes: int) -> Quality:
    """The same figures from the counted chunks of held-out documents, each of which is encoded once."""
    chunks = (
        (chunk, times)
        for part in parts
        for chunk, times in zip(part.strings(), part.held_out.tolist(), strict=True)
        if times
    )
    return _measure(tokenizer, chunks, text_bytes)


def _measure(tokenizer: Tokenizer, texts: Iterable[tuple[str, int]], text_bytes: int | None) -> Quality:
    """Figures of texts that occur so many times; ``text_bytes`` if they lack the blanks between them."""
    counts = np.zeros(tokenizer.get_vocab_size(with_added_tokens=True), np.int64)
    unk = _unknown_id(tokenizer)
    words = whole = seen_bytes = lost_bytes = 0
    for batch in _batches(texts):
        encodings = tokenizer.encode_batch([text for text, _ in batch], add_special_tokens=False)
        for (text, times), encoding in zip(batch, encodings, strict=True):
            ids, of_word = np.array(encoding.ids, np.int64), encoding.word_ids
            seen_bytes += times * len(text.encode())
            np.add.at(counts, ids, times)
            starts = np.flatnonzero(np.diff(np.array(of_word, np.int64), prepend=-1))
            lengths = np.diff(starts, append=len(ids))
            words += times * len(starts)
            whole += times * int(((lengths == 1) & (ids[starts] != unk)).sum())
            unknown = np.flatnonzero(ids == unk).tolist()
            lost_bytes += times * sum(len(text[slice(*encoding.offsets[i])].encode()) for i in unknown)
    return _figures(counts, words, whole, text_bytes or seen_bytes, lost_bytes, unk)


def compare(tokenizers: Mapping[str, Tokenizer], texts: Iterable[str]) -> dict[str, Quality]:
    """The figures of several tokenizers on the same texts, by name."""
    kept = list(texts)
    return {name: measure(tokenizer, kept) for name, tokenizer in tokenizers.items()}


def table(qualities: Mapping[str, Quality]) -> list[str]:
    """Figures side by side as lines of text, one tokenizer a line."""
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


def _figures(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]],
    words: int,
    whole: int,
    text_bytes: int,
    lost_bytes: int,
    unk: int,
) -> Quality:
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
    """The id of the unknown token, -1 where there is none."""
    name = getattr(tokenizer.model, "unk_token", None)
    found = tokenizer.token_to_id(name) if name else None
    return -1 if found is None else int(found)


def _batches(texts: Iterable[tuple[str, int]]) -> Iterable[list[tuple[str, int]]]:
    batch: list[tuple[str, int]] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
