"""Counting chunks and words: whatever the order and the splitting, the counts are those of the text."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import UNICODE_FORMS, CountOptions, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.records import Document, fingerprint
from wpprep.vocab.counts import ChunkCounter, ChunkCounts, CorpusFacts
from wpprep.vocab.normalization import TextRules, counting_rule
from wpprep.vocab.words import WordCounts, count_words

CHARACTERS = "aAb c.\u00e9\u4e2d'\n\u0338=\ud55c9"
RULES = {algorithm: TextRules(VocabOptions(algorithm=algorithm)) for algorithm in ("wordpiece", "bbpe")}
TEXTS = st.lists(st.text(st.sampled_from(CHARACTERS), max_size=30), max_size=8)


def counter_of(texts: list[str], algorithm: str = "wordpiece", **how: Any) -> ChunkCounter:
    """The chunks of texts."""
    counter = ChunkCounter(counting_rule(CountOptions(algorithm=algorithm)), **how)
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)])
    return counter


def counted(texts: list[str], algorithm: str = "wordpiece") -> ChunkCounts:
    """The counts of the chunks of texts."""
    return counter_of(texts, algorithm).result()


def words_of(counts: ChunkCounts, rules: TextRules, min_word_count: int = 1) -> dict[str, int]:
    """The words of one part."""
    return count_words([counts], rules, min_word_count).as_dict()


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS)
def test_words_are_those_of_the_whole_text(algorithm: str, texts: list[str]) -> None:
    """Counting chunks and then their words gives the words of the documents."""
    rules = RULES[algorithm]
    expected = Counter(word for text in texts for word in rules.words(text))
    assert words_of(counted(texts, algorithm), rules) == expected


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS, seed=st.integers(0, 999))
def test_order_and_splitting_do_not_matter(algorithm: str, texts: list[str], seed: int) -> None:
    """Counters of parts of the documents, added in any order, hold what one counter holds."""
    rules, generator = RULES[algorithm], random.Random(seed)
    whole = counter_of(texts, algorithm, read_ahead=True)
    shuffled = generator.sample(texts, len(texts))
    cut = generator.randint(0, len(texts))
    total, facts = counter_of([], algorithm), CorpusFacts()
    for part in (shuffled[cut:], shuffled[:cut]):
        counter = counter_of(part, algorithm)
        total.add(counter.result())
        facts += counter.learned
    assert words_of(total.result(), rules) == words_of(whole.result(), rules)
    assert facts == whole.learned


VARIANTS = [
    {"unicode": form, "strip_accents": strips, "lowercase": lowers}
    for form in UNICODE_FORMS
    for strips in (False, True)
    for lowers in (False, True)
]


@pytest.mark.parametrize("cjk", [True, False])
@given(
    text=st.text(
        st.sampled_from(CHARACTERS + "\u2017\ufe49<>~\u3000\uff01\u0b94") | st.characters(), max_size=40
    )
)
def test_one_count_serves_all_ways_to_normalise(cjk: bool, text: str) -> None:
    """Chunks cut once give the words of the text under any case, accents and Unicode form."""
    text = text.encode(errors="replace").decode()
    counter = ChunkCounter(counting_rule(CountOptions(cjk=cjk)))
    counter.add_documents([Document("1", text)])
    counts = dict(zip(counter.result().strings(), counter.result().counts.tolist(), strict=True))
    for variant in VARIANTS:
        rules = TextRules(VocabOptions(cjk=cjk, **variant))
        words: Counter[str] = Counter()
        for chunk, count in counts.items():
            for word in rules.words(chunk):
                words[word] += count
        assert words == Counter(rules.words(text))


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(
    chunks=st.dictionaries(st.text(st.sampled_from(" \naZ9.\u00c9"), min_size=1, max_size=6), st.integers(1, 9))
)
def test_plain_chunks_need_no_tokenizer(algorithm: str, lowercase: bool, chunks: dict[str, int]) -> None:
    """What is looked up by bytes are the words that the tokenizer makes of any chunk."""
    rules = TextRules(VocabOptions(algorithm=algorithm, lowercase=lowercase))
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word in rules.words(chunk):
            words[word] += count
    given_ = WordCounts.of(chunks)
    assert words_of(ChunkCounts(given_.text, given_.ends, given_.counts), rules) == words


def test_held_out_documents_are_counted_apart() -> None:
    """Each chunk has its count in either kind of document, and nothing is learned from those held out."""
    counter = ChunkCounter(counting_rule(CountOptions()))
    texts = ["a b a", "b c"]
    marks = [fingerprint(text.encode()) for text in texts]
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)], marks[1:].__contains__)
    counts = counter.result()
    found = dict(zip(counts.strings(), zip(counts.counts, counts.held_out, strict=True), strict=True))
    assert found == {"a": (2, 0), "b": (1, 1), "c": (0, 1)}
    assert (counter.learned, counter.held_out) == (
        CorpusFacts(1, 5, 0, marks[0]),
        CorpusFacts(1, 3, 0, marks[1]),
    )
    assert words_of(counts, RULES["wordpiece"]) == {"a": 2, "b": 1}


def test_rare_words_are_left_out_at_the_end() -> None:
    """min_word_count looks at a word's count over all chunks that make it."""
    counts = counted(["The the THE a b b"])
    assert words_of(counts, RULES["wordpiece"], 2) == {"the": 3, "b": 2}


def test_counts_are_64_bit() -> None:
    """Counts beyond 2**32 stay exact when results are added."""
    part = counted(["of"])
    huge = ChunkCounts(part.chunks, part.ends, np.array([2**40 + 1]))
    total = counter_of([])
    total.add(huge)
    total.add(huge)
    assert words_of(total.result(), RULES["wordpiece"]) == {"of": 2**41 + 2}


@pytest.mark.parametrize("text", ["\ud55c\uad6d\uc5b4 text", "\u30d0\u30b9 bus"])
@pytest.mark.parametrize("options", [{"strip_accents": True}, {"preset": "bert-uncased"}])
def test_stripping_accents_from_korean_or_japanese_stops(text: str, options: dict[str, object]) -> None:
    """The message names what would be lost and the option that keeps it."""
    rules = TextRules(VocabOptions(**options))
    with pytest.raises(VocabularyError, match=r"(Hangul syllables|dakuten).*--keep-accents"):
        words_of(counted([text]), rules)
    with pytest.raises(VocabularyError, match="are Hangul or kana"):
        words_of(counted([text]), rules)


def test_stripping_accents_goes_on_with_a_stray_syllable() -> None:
    """Less than one character in a hundred is no reason to stop."""
    rules = TextRules(VocabOptions(strip_accents=True))
    assert words_of(counted(["abcdefghij " * 50 + "\ud55c"]), rules)["abcdefghij"] == 50
