"""Counting chunks and words: whatever the order and the splitting, the counts are those of the text."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import VocabOptions
from wpprep.errors import VocabularyError
from wpprep.records import Document
from wpprep.vocab.counts import ChunkCounter, ChunkCounts, count_words
from wpprep.vocab.normalization import TextRules

RULES = {algorithm: TextRules(VocabOptions(algorithm=algorithm)) for algorithm in ("wordpiece", "bbpe")}
TEXTS = st.lists(st.text(st.sampled_from("aAb c.\u00e9\u4e2d'\n\u0338=\ud55c9"), max_size=30), max_size=8)


def counted(texts: list[str], rules: TextRules) -> ChunkCounts:
    """The chunks of texts."""
    counter = ChunkCounter(rules.cut_rule())
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)])
    return counter.result()


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS)
def test_words_are_those_of_the_whole_text(algorithm: str, texts: list[str]) -> None:
    """Counting chunks and then their words gives the words of the documents."""
    rules = RULES[algorithm]
    expected = Counter(word for text in texts for word in rules.words(text))
    assert count_words(counted(texts, rules), rules, 1) == expected


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS, seed=st.integers(0, 999))
def test_order_and_splitting_do_not_matter(algorithm: str, texts: list[str], seed: int) -> None:
    """Counters of parts of the documents, added in any order, hold what one counter holds."""
    rules, generator = RULES[algorithm], random.Random(seed)
    whole = counted(texts, rules)
    shuffled = generator.sample(texts, len(texts))
    cut = generator.randint(0, len(texts))
    total = ChunkCounter(rules.cut_rule())
    for part in (shuffled[cut:], shuffled[:cut]):
        total.add(counted(part, rules))
    result = total.result()
    assert count_words(result, rules, 1) == count_words(whole, rules, 1)
    assert result.facts() == whole.facts()


def test_rare_words_are_left_out_at_the_end() -> None:
    """min_word_count looks at a word's count over all chunks that make it."""
    counts = counted(["The the THE a b b"], RULES["wordpiece"])
    assert count_words(counts, RULES["wordpiece"], 2) == {"the": 3, "b": 2}


def test_counts_are_64_bit() -> None:
    """Counts beyond 2**32 stay exact when results are added."""
    part = counted(["of"], RULES["wordpiece"])
    huge = ChunkCounts(part.chunks, part.ends, np.array([2**40 + 1]))
    total = ChunkCounter(RULES["wordpiece"].cut_rule())
    total.add(huge)
    total.add(huge)
    assert count_words(total.result(), RULES["wordpiece"], 1) == {"of": 2**41 + 2}


@pytest.mark.parametrize("text", ["\ud55c\uad6d\uc5b4 text", "\u30d0\u30b9 bus"])
@pytest.mark.parametrize("options", [{"strip_accents": True}, {"preset": "bert-uncased"}])
def test_stripping_accents_from_korean_or_japanese_stops(text: str, options: dict[str, object]) -> None:
    """The message names what would be lost and the option that keeps it."""
    rules = TextRules(VocabOptions(**options))
    with pytest.raises(VocabularyError, match=r"(Hangul syllables|dakuten).*--keep-accents"):
        count_words(counted([text], rules), rules, 1)
    with pytest.raises(VocabularyError, match="are Hangul or kana"):
        count_words(counted([text], rules), rules, 1)


def test_stripping_accents_goes_on_with_a_stray_syllable() -> None:
    """Less than one character in a hundred is no reason to stop."""
    rules = TextRules(VocabOptions(strip_accents=True))
    assert count_words(counted(["abcdefghij " * 50 + "\ud55c"], rules), rules, 1)["abcdefghij"] == 50
