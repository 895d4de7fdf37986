"""Sentence splitting: joined sentences are the text, none is blank, and each rule splits as documented."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import wpprep.corpus.sentences
from wpprep.config import SENTENCE_RULES
from wpprep.corpus.sentences import sentence_splitter, split_sentences
from wpprep.errors import OptionError

PIECES = [*"Ab1 .!?\"'()", "Mr. ", "e.g. ", "...", "。", "！", "।", "؟", "”", "」"]  # noqa: RUF001 (full width is meant)
HOSTILE = [*"\n\r\t\v\f\0\x1c\x85\xa0\u2028\u3000\ufeff\u0301😀한"]
TEXT = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES + HOSTILE), max_size=30).map("".join))
LANGUAGES = ["en", "ko", "zh", "ja", "de", "hi", "ar", "xx"]


@pytest.mark.parametrize("rule", SENTENCE_RULES)
@given(text=TEXT, language=st.sampled_from(LANGUAGES))
@example(text="A\xa0.", language="en")  # sentencex 1.0.32 panics
@example(text=" \n ", language="en")
@example(text="", language="en")
def test_sentences_joined_are_the_text(rule: str, text: str, language: str) -> None:
    """No rule loses, adds or moves a character, and no sentence is blank unless the text is."""
    sentences = sentence_splitter(rule, language, "prose")(text)
    assert "".join(sentences) == text
    if text.strip():
        assert all(sentence.strip() for sentence in sentences)
    else:
        assert sentences == ([text] if text else [])


@pytest.mark.parametrize("rule", SENTENCE_RULES)
@given(text=TEXT)
def test_white_space_begins_the_next_sentence(rule: str, text: str) -> None:
    """White space between two sentences belongs to the second; only the last one may end with it."""
    sentences = sentence_splitter(rule, "en", "prose")(text)
    assert all(sentence == sentence.rstrip() for sentence in sentences[:-1])


@pytest.mark.parametrize(
    ("language", "text", "sentences"),
    [
        ("en", "Mr. Smith paid $3.50. He left.", ["Mr. Smith paid $3.50.", " He left."]),
        ("en", "A title\nFirst.  Second.", ["A title", "\nFirst.", "  Second."]),
        ("ko", "한글은 문자이다. 1443년에 만들었다.", ["한글은 문자이다.", " 1443년에 만들었다."]),
        ("zh", "你好。我很好。", ["你好。", "我很好。"]),
        ("ja", "私は猫である。名前はまだ無い。", ["私は猫である。", "名前はまだ無い。"]),
        ("ZH-TW", "你好。我很好。", ["你好。", "我很好。"]),
        ("de", "Er kam am 5. Mai. Gut.", ["Er kam am 5. Mai.", " Gut."]),
        ("ALS", "Er kam am 5. Mai. Gut.", ["Er kam am 5. Mai.", " Gut."]),
        ("en", "Er kam am 5. Mai. Gut.", ["Er kam am 5.", " Mai.", " Gut."]),
        ("xx", "One. Two.", ["One.", " Two."]),
    ],
)
def test_sentencex_follows_the_language(language: str, text: str, sentences: list[str]) -> None:
    """Line ends end sentences, abbreviations do not; a language has its own rules or those of a related one."""
    assert sentence_splitter("sentencex", language, "prose")(text) == sentences


def test_a_line_that_sentencex_alters_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that sentencex alters is kept whole, as one sentence."""
    monkeypatch.setattr(wpprep.corpus.sentences, "segment", lambda language, line: ["One."])
    assert split_sentences("en", "One. Two.") == ["One. Two."]


@pytest.mark.parametrize("rule", ["lines", "paragraphs"])
def test_lines_are_sentences(rule: str) -> None:
    """Under `lines` and `paragraphs` nothing inside a line ends a sentence."""
    assert sentence_splitter(rule, "en", "prose")("One. Two.\nThree.") == ["One. Two.", "\nThree."]


def test_auto_follows_the_format() -> None:
    """`auto` keeps the lines of the format `lines` whole and cuts those of other formats."""
    assert sentence_splitter("auto", "en", "lines")("One. Two.") == ["One. Two."]
    assert sentence_splitter("auto", "en", "wikiextractor")("One. Two.") == ["One.", " Two."]


@pytest.mark.parametrize("language", ["english", "", "e", "en_US", "日本"])
def test_nonsense_languages_are_refused(language: str) -> None:
    """A string that is not a language code is an error, since sentencex would apply English rules."""
    with pytest.raises(OptionError, match=f"language is '{language}', expected a code such as en"):
        sentence_splitter("sentencex", language, "prose")


def test_unknown_rules_are_refused() -> None:
    """An unknown rule is an error that lists the known ones."""
    with pytest.raises(
        OptionError, match="sentences is 'nltk', expected one of auto, sentencex, lines, paragraphs"
    ):
        sentence_splitter("nltk", "en", "prose")


def test_torture_texts_are_cut_without_loss(data: Path) -> None:
    """Naughty strings, every code point and the test files of Unicode are split without losing a character."""
    split = sentence_splitter("sentencex", "en", "prose")
    for path in sorted((data / "torture").iterdir()):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode(errors="replace")
        assert "".join(split(text)) == text
