"""Chunk counts from and to dictionaries, the chunks and words of texts, and the normalisations to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from wpprep.config import UNICODE_FORMS, CountOptions, VocabOptions
from wpprep.records import Document
from wpprep.tokenizer.normalization import TextRules, counting_rule
from wpprep.vocab.counting.counts import ChunkCounter, ChunkCounts
from wpprep.vocab.counting.words import WordCounts, count_words

Rows = dict[str, tuple[int, int]]  # occurrences of chunks in the documents to learn from, and held out

CHARACTERS = "aAb c.\u00e9\u4e2d'\n\u0338=\ud55c9"
RULES = {algorithm: TextRules(VocabOptions(algorithm=algorithm)) for algorithm in ("wordpiece", "bbpe")}
TEXTS = st.lists(st.text(st.sampled_from(CHARACTERS), max_size=30), max_size=8)
VARIANTS: list[dict[str, Any]] = [
    {"unicode": form, "strip_accents": strips, "lowercase": lowers}
    for form in UNICODE_FORMS
    for strips in (False, True)
    for lowers in (False, True)
]


def counts_of(rows: Rows) -> ChunkCounts:
    """Convert a dictionary to chunk counts."""
    words = WordCounts.of({chunk: count for chunk, (count, _) in rows.items()})
    held_out = np.array([count for _, count in rows.values()], np.int64)
    return ChunkCounts(words.text, words.ends, words.counts, held_out)


def rows_of(parts: list[ChunkCounts]) -> Rows:
    """Convert chunk counts back; no chunk may be repeated."""
    found = [
        (chunk, pair)
        for part in parts
        for chunk, pair in zip(
            part.strings(), zip(part.counts.tolist(), part.held_out.tolist(), strict=True), strict=True
        )
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def counter_of(texts: list[str], algorithm: str = "wordpiece", **how: Any) -> ChunkCounter:
    """Count the chunks of texts; keyword arguments are those of `ChunkCounter`."""
    counter = ChunkCounter(counting_rule(CountOptions(algorithm=algorithm)), **how)
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)])
    return counter


def counted(texts: list[str], algorithm: str = "wordpiece") -> ChunkCounts:
    """Return the chunk counts of texts."""
    return counter_of(texts, algorithm).result()


def words_of(counts: ChunkCounts, rules: TextRules, min_word_count: int = 1) -> dict[str, int]:
    """Return the words of chunks as a dictionary."""
    return count_words([counts], rules, min_word_count).as_dict()
