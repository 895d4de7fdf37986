"""Spelling chunks character by character: the words are those of the `tokenizers` library."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference.counts import VARIANTS, counted

from wpprep.config import VocabOptions
from wpprep.tokenizer.normalization import TextRules
from wpprep.vocab.counting.counts import ChunkCounts
from wpprep.vocab.counting.words import WordCounter, WordCounts


def words_of_chunks(chunks: dict[str, int], rules: TextRules) -> dict[str, int]:
    """Return the words of chunks, with the chunks' counts."""
    given_, counter = WordCounts.of(chunks), WordCounter(rules)
    counter.add(ChunkCounts(given_.text, given_.ends, given_.counts))
    words = counter.result()
    return dict(zip(words.strings(), words.counts.tolist(), strict=True))


def asked(chunks: dict[str, int], rules: TextRules) -> Counter[str]:
    """Return the words that the library makes of each of the chunks."""
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word in rules.words(chunk):
            words[word] += count
    return words


def is_chunk(text: str, algorithm: str) -> bool:
    """Return whether the scanner makes one chunk of a text."""
    return counted([text], algorithm).strings() == [text]


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
    """The words spelled character by character are those that the library makes of any chunk."""
    if algorithm == "bbpe":
        variant = {name: value for name, value in variant.items() if name != "strip_accents"}
    options = VocabOptions(algorithm=algorithm, **variant)
    chunks = {chunk: count for chunk, count in chunks.items() if is_chunk(chunk, algorithm)}
    assert words_of_chunks(chunks, TextRules(options)) == asked(chunks, TextRules(options))


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
    """Alone, between letters, after a digit, a mark and a blank; every 97th in the fast suite."""
    rules = TextRules(VocabOptions(**options))
    shapes = ("{}", "a{}b", "1{}", "!{}!", "{}a") + ((" {}",) if rules.byte_level else ())
    code_points = [code for code in range(1, 0x110000, step) if not 0xD800 <= code < 0xE000]
    for first in range(0, len(code_points), 5_000):
        for shape in shapes:
            chunks = [shape.format(chr(code)) for code in code_points[first : first + 5_000]]
            once = dict.fromkeys(chunks, 1)
            assert words_of_chunks(once, rules) == asked(once, rules)
