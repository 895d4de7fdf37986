"""Words of counted chunks: they are those of the text, under any normalisation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.counts import CHARACTERS, RULES, TEXTS, VARIANTS, counted, counts_of, words_of

from wpprep.config import CountOptions, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.records import Document
from wpprep.tokenizer.normalization import TextRules, counting_rule
from wpprep.vocab.counting.counts import ChunkCounter
from wpprep.vocab.counting.runs import Spill
from wpprep.vocab.counting.words import count_words


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS)
def test_words_are_those_of_the_whole_text(algorithm: str, texts: list[str]) -> None:
    """Counting chunks and then their words gives the words of the documents."""
    rules = RULES[algorithm]
    expected = Counter(word for text in texts for word in rules.words(text))
    assert words_of(counted(texts, algorithm), rules) == expected


@pytest.mark.parametrize("cjk", [True, False])
@given(
    text=st.text(
        st.sampled_from(CHARACTERS + "\u2017\ufe49<>~\u3000\uff01\u0b94") | st.characters(), max_size=40
    )
)
def test_one_count_serves_all_ways_to_normalise(cjk: bool, text: str) -> None:
    """Chunks of one count give the words of the text under any case, accents and Unicode form."""
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


def test_rare_words_are_left_out_at_the_end() -> None:
    """min_word_count applies to a word's count over all chunks that contain it."""
    counts = counted(["The the THE a b b"])
    assert words_of(counts, RULES["wordpiece"], 2) == {"the": 3, "b": 2}


def test_rare_words_put_aside_are_dropped_at_the_end(tmp_path: Path) -> None:
    """A word that is rare in every part but not in total is kept; nothing temporary is left."""
    parts = [counts_of({"the": (1, 0), f"word{i}": (1, 0)}) for i in range(3)]
    spill = Spill(tmp_path, "words", 0)
    words = count_words(parts, TextRules(VocabOptions()), 2, spill)
    assert words.as_dict() == {"the": 3}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["\ud55c\uad6d\uc5b4 text", "\u30d0\u30b9 bus"])
@pytest.mark.parametrize("options", [{"strip_accents": True}, {"preset": "bert-uncased"}])
def test_stripping_accents_from_korean_or_japanese_stops(text: str, options: dict[str, Any]) -> None:
    """The message names the loss and the option that prevents it."""
    rules = TextRules(VocabOptions(**options))
    with pytest.raises(VocabularyError, match=r"(Hangul syllables|dakuten).*--keep-accents"):
        words_of(counted([text]), rules)
    with pytest.raises(VocabularyError, match="are Hangul or kana"):
        words_of(counted([text]), rules)


def test_stripping_accents_goes_on_with_a_stray_syllable() -> None:
    """Less than one Hangul character in a hundred is accepted."""
    rules = TextRules(VocabOptions(strip_accents=True))
    assert words_of(counted(["abcdefghij " * 50 + "\ud55c"]), rules)["abcdefghij"] == 50
