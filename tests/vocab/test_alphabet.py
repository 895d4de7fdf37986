"""The alphabet: forms and ids of characters, limits, and words as pieces."""

from __future__ import annotations

from typing import Any

import pytest

from wpprep.config import VocabOptions
from wpprep.errors import VocabularyError
from wpprep.tokenizer.normalization import TextRules
from wpprep.vocab.alphabet import Alphabet, character_counts, choose_alphabet
from wpprep.vocab.counting.words import WordCounts

WORDS = {"aab": 3, "b\u4e2d": 2, "c": 1}


def chosen(words: dict[str, int], room: int = 100, **options: Any) -> Alphabet:
    """Return the alphabet of words."""
    given = VocabOptions(**options)
    return choose_alphabet(WordCounts.of(words), given, TextRules(given), room)


def test_characters_are_counted_with_their_words() -> None:
    """a is in aab twice, three times; b in aab and in another word."""
    assert character_counts(WordCounts.of(WORDS)) == {"a": 6, "b": 5, "\u4e2d": 2, "c": 1}


@pytest.mark.parametrize(
    ("algorithm", "pieces"),
    [
        ("wordpiece", ["a", "b", "c", "\u4e2d", "##a", "##b", "##c"]),
        ("bpe", ["a", "b", "c", "\u4e2d", "a</w>", "b</w>", "c</w>", "\u4e2d</w>"]),
    ],
)
def test_forms_are_those_of_the_algorithm(algorithm: str, pieces: list[str]) -> None:
    """WordPiece has no ## form of an ideograph, which is always a whole word; BPE has two forms of each."""
    assert chosen(WORDS, algorithm=algorithm, min_char_count=1).pieces == pieces


def test_byte_level_alphabets_have_all_bytes() -> None:
    """256 pieces, whatever the words are, and none dropped."""
    alphabet = chosen(WORDS, algorithm="bbpe")
    assert len(set(alphabet.pieces)) == 256
    assert alphabet.dropped == 0


def test_words_are_spelled_with_marks() -> None:
    """WordPiece marks all characters but the first, BPE the last one; a dropped character is -1."""
    words = WordCounts.of({"aab": 3, "ac": 1})
    wordpiece = chosen({"aab": 3, "ac": 1}, min_char_count=2)
    assert wordpiece.pieces == ["a", "b", "##a", "##b"]
    spelled = wordpiece.spell(words)
    assert spelled.characters.tolist() == [-1, 0, 2, 3, -1, 0, -1, -1]
    assert spelled.ends.tolist() == [4, 7]
    assert spelled.alphabet_size == 4
    bpe = chosen({"aab": 3, "ac": 1}, min_char_count=2, algorithm="bpe").spell(words)
    assert bpe.characters.tolist() == [-1, 0, 0, 3, -1, 0, -1, -1]


def test_the_rarest_characters_are_dropped_if_room_is_short() -> None:
    """Room for four entries holds a and b in two forms each; the rarer c and the ideograph are dropped."""
    alphabet = chosen(WORDS, room=4, min_char_count=1)
    assert alphabet.pieces == ["a", "b", "##a", "##b"]
    assert alphabet.dropped == 2


def test_no_frequent_character_is_an_error() -> None:
    """The message has the minimum count and the ways out."""
    with pytest.raises(VocabularyError, match="no character occurs 7 times or more: lower min_char_count"):
        chosen(WORDS, min_char_count=7)
