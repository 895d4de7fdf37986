"""Table of single characters: spellings and kinds under BERT's rules and GPT-2's pattern."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import normalizers, pre_tokenizers

from wpprep.config import VocabOptions
from wpprep.tokenizer.characters import (
    ALONE,
    BREAK,
    DIGITS,
    FEED,
    HARD,
    INSIDE,
    KIND,
    LENGTH,
    LONGEST_SPELLING,
    OTHERS,
    PREFIX,
    UNPROBED,
    Characters,
    bert_characters,
)
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.utf8 import PADDING


def entry(characters: Characters, character: str) -> tuple[int, str]:
    """Probe a character and return its kind and its spelling."""
    data = character.encode()
    characters.ask(np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data))
    packed = int(characters.spellings[ord(character)])
    length, mask = packed >> LENGTH & 0xFF, (1 << characters.bits) - 1
    return packed >> KIND, "".join(chr(packed >> characters.bits * i & mask) for i in range(length))


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("A", (INSIDE, "a")),
        ("\u200b", (INSIDE, "")),
        (",", (ALONE, ",")),
        ("中", (ALONE, "中")),
        (" ", (BREAK, "")),
        ("é", (INSIDE, "é")),
        ("\u0301", (HARD, "")),  # composes with the letter before it
        ("\u1100", (HARD, "")),  # a conjoining jamo
        ("가", (INSIDE, "가")),
    ],
)
def test_characters_under_the_default_options(character: str, expected: tuple[int, str]) -> None:
    """NFC, lower case: letters are spelled in lower case, punctuation and ideographs are words."""
    assert entry(TextRules(VocabOptions()).characters, character) == expected


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("A", (INSIDE, "A")),
        ("7", (DIGITS, "7")),
        ("-", (OTHERS, "-")),
        (" ", (PREFIX, "Ġ")),
        ("\n", (FEED, "Ċ")),
        ("\t", (HARD, "")),
        ("'", (HARD, "")),
        ("é", (INSIDE, "Ã©")),
    ],
)
def test_characters_under_the_pattern(character: str, expected: tuple[int, str]) -> None:
    """Byte-level characters are spelled in the printable form of their UTF-8 bytes."""
    rules = TextRules(VocabOptions(algorithm="bbpe", unicode="none"))
    assert entry(rules.characters, character) == expected


def test_a_spelling_that_is_too_long_is_hard() -> None:
    """A character normalised to three code points does not fit in a spelling of two; U+FDFA becomes 18."""
    normalize = normalizers.NFKC().normalize_str
    splitter = pre_tokenizers.BertPreTokenizer()
    characters = bert_characters(
        lambda text: [word for word, _ in splitter.pre_tokenize_str(normalize(text))],
        normalize,
        has_form=True,
        strips_accents=False,
    )
    assert LONGEST_SPELLING == 2
    assert entry(characters, "\ufb01") == (INSIDE, "fi")
    assert entry(characters, "\ufb03") == (HARD, "")
    assert entry(characters, "\ufdfa") == (HARD, "")


def test_only_characters_that_are_met_are_probed() -> None:
    """Characters not in the text have the entry UNPROBED."""
    characters = TextRules(VocabOptions()).characters
    characters.ask(np.frombuffer(b"ab" + bytes(PADDING), np.uint8), 0, 2)
    assert np.flatnonzero(characters.spellings).tolist() == [ord("a"), ord("b")]
    assert int(characters.spellings[ord("c")]) == UNPROBED
