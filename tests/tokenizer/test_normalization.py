"""Text to words: the effect of options, and chunks compared with whole text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import PRESETS, VocabOptions
from wpprep.tokenizer.normalization import TextRules

CHUNK = st.text(
    st.one_of(
        st.sampled_from("aZ9 |'.,_\u00e9\u0301\u0338=<\ud55c\u304c\u30d0\u4e2d\u0130\u00df\u00a0\u200b"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=8,
)
RULES = [
    TextRules(VocabOptions(vocab_size=1000, **options))
    for options in (
        {}, {"lowercase": False}, {"strip_accents": True}, {"unicode": "nfkc"},
        {"unicode": "nfd", "cjk": False},
        {"preset": "bert-uncased"}, {"algorithm": "bbpe"}, {"algorithm": "bbpe", "lowercase": True},
        {"algorithm": "bbpe", "unicode": "nfkc"},
    )
]  # fmt: skip


@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
@given(chunks=st.lists(CHUNK, max_size=12))
def test_words_of_each_are_the_words(rules: TextRules, chunks: list[str]) -> None:
    """Each of many chunks split at once has the words that it has alone."""
    assert [list(words) for words in rules.words_of_each(chunks)] == [rules.words(chunk) for chunk in chunks]


@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
def test_every_ascii_chunk_of_two_is_split_as_alone(rules: TextRules) -> None:
    """All pairs of ASCII characters, split at once, have the words that they have alone."""
    chunks = ["".join(pair) for pair in itertools.product(map(chr, range(128)), repeat=2)]
    assert [list(words) for words in rules.words_of_each(chunks)] == [rules.words(chunk) for chunk in chunks]


@pytest.mark.parametrize("preset", [None, "multilingual", "ko", "ja", "zh", "bert-cased"])
def test_hangul_and_dakuten_survive(preset: str | None) -> None:
    """Lowercasing, alone or by any preset except bert-uncased, keeps syllables and dakuten."""
    rules = TextRules(VocabOptions(preset=preset))
    assert rules.words("\ud55c\uad6d\uc5b4 \u304c\u304e\u3050 \u30d0\u30d3") == [
        "\ud55c\uad6d\uc5b4", "\u304c\u304e\u3050", "\u30d0\u30d3",
    ]  # fmt: skip


def test_lowercase_keeps_accents_by_default() -> None:
    """The default lowercases and composes; strip_accents and bert-uncased remove accents."""
    assert TextRules(VocabOptions()).words("D\u00c9J\u00c0 E\u0301") == ["d\u00e9j\u00e0", "\u00e9"]
    for options in ({"strip_accents": True}, {"preset": "bert-uncased"}):
        assert TextRules(VocabOptions(**options)).words("D\u00c9J\u00c0") == ["deja"]


def test_options_beside_a_preset_win() -> None:
    """A preset sets only the options that are not given."""
    for name, values in PRESETS.items():
        options = VocabOptions(preset=name)
        assert {key: getattr(options, key) for key in values} == values
    assert VocabOptions(preset="bert-uncased", strip_accents=False).strip_accents is False
    assert VocabOptions(preset="zh", unicode="none").unicode == "none"
