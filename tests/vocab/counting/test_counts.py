"""Counting chunks and words: whatever the order and the splitting, the counts are those of the text."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wpprep.config import UNICODE_FORMS, CountOptions, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.records import Document, fingerprint
from wpprep.tokenizer.normalization import TextRules, counting_rule
from wpprep.vocab.counting.counts import ChunkCounter, ChunkCounts, CorpusFacts
from wpprep.vocab.counting.words import WordCounter, WordCounts, count_words

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


def words_of_chunks(chunks: dict[str, int], rules: TextRules) -> dict[str, int]:
    """The words of chunks, as if these had been counted."""
    given_, counter = WordCounts.of(chunks), WordCounter(rules)
    counter.add(ChunkCounts(given_.text, given_.ends, given_.counts))
    words = counter.result()
    return dict(zip(words.strings(), words.counts.tolist(), strict=True))


def asked(chunks: dict[str, int], rules: TextRules) -> Counter[str]:
    """What the tokenizer makes of each of the chunks."""
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word in rules.words(chunk):
            words[word] += count
    return words


OF_SCRIPTS = (
    " \nasZ9.'\u00c9\u03a3\u0130\u2019\u4e2d\u3001\ud55c\u304c\u0301\u3099\u1161\u3131\uff76\uff9e"
    "\u0e01\u200b\u00ad\u00b2\u00bd\u2026"
)


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "bbpe"])
@given(
    variant=st.sampled_from(VARIANTS),
    chunks=st.dictionaries(
        st.text(st.sampled_from(OF_SCRIPTS) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.integers(1, 9),
    ),
)
@example(variant={}, chunks={"'s": 1, "'ll": 2, " 'T": 3, "\n": 4, "\nThe": 5, " \u2019s": 6, " ": 7})
def test_chunks_are_spelled_as_the_tokenizer_would(
    algorithm: str, variant: dict[str, Any], chunks: dict[str, int]
) -> None:
    """What is spelled character by character are the words that the tokenizer makes of any chunk."""
    if algorithm == "bbpe":
        variant = {name: value for name, value in variant.items() if name != "strip_accents"}
    options = VocabOptions(algorithm=algorithm, **variant)
    chunks = {chunk: count for chunk, count in chunks.items() if is_chunk(chunk, algorithm)}
    assert words_of_chunks(chunks, TextRules(options)) == asked(chunks, TextRules(options))


def is_chunk(text: str, algorithm: str) -> bool:
    """Whether text can come from the scanner as one chunk (other text may need what stands around it)."""
    return counted([text], algorithm).strings() == [text]


EVERY_RULES = [
    {},
    {"preset": "bert-uncased"},
    {"preset": "bert-cased"},
    {"unicode": "nfkc"},
    {"unicode": "nfd", "cjk": False, "strip_accents": True},
    {"algorithm": "bbpe"},
    {"algorithm": "bbpe", "lowercase": True, "unicode": "nfkc"},
]


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", EVERY_RULES, ids=range(len(EVERY_RULES)))
def test_every_code_point_is_spelled_as_the_tokenizer_would(options: dict[str, Any], step: int) -> None:
    """Alone, between letters, behind a digit, a mark and a blank; every 97th in the fast suite."""
    rules = TextRules(VocabOptions(**options))
    shapes = ("{}", "a{}b", "1{}", "!{}!", "{}a") + ((" {}",) if rules.byte_level else ())
    code_points = [code for code in range(1, 0x110000, step) if not 0xD800 <= code < 0xE000]
    for first in range(0, len(code_points), 5_000):
        for shape in shapes:
            chunks = [shape.format(chr(code)) for code in code_points[first : first + 5_000]]
            once = dict.fromkeys(chunks, 1)
            assert words_of_chunks(once, rules) == asked(once, rules)


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
