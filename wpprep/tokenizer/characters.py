"""What becomes of single characters: the library is asked once a character, and tables answer from then on.

`tokenizers` spends microseconds on a piece of text: it makes objects, aligns offsets, allocates a string a
look-up. Yet of most characters the normaliser and the pre-tokenizer make the same thing wherever they stand:

    INSIDE  "acb" becomes one word a...b: c is spelled by what stands between (A -> a, U+200B -> nothing)
    ALONE   "acb" becomes a, a word, b: punctuation, ideographs
    BREAK   "acb" becomes a, b: white space
    HARD    anything else, and every character whose neighbours can change it under this normaliser

Behind GPT-2's pattern a word is a run of one kind, with a blank in front or without one, and INSIDE is only the
first of three kinds; PREFIX and FEED have their meaning at the beginning of a chunk, and are hard elsewhere:

    INSIDE  letters                 DIGITS  numbers                 OTHERS  neither these nor white space
    PREFIX  the blank               FEED    the line feed, a word of its own

Text with a HARD character is left to the library. Which characters those are, says `_is_hard`:
nothing but Unicode's normal forms looks at neighbours, and these leave a text of starters alone unless
a mark or a conjoining jamo follows (Unicode Standard Annex 15, quick check).

    spellings  uint64[0x110000]   [ kind : 8 | code points : 8 | the code points : 48 ]   0: not asked yet
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from wpprep.records import Bytes
from wpprep.tokenizer.safe_cuts import LINE_FEED, PATTERN_BLANKS, Normalize, Pipe, words_between, words_of_lines
from wpprep.tokenizer.utf8 import CODE_POINTS, unknown_characters

UNPROBED, INSIDE, ALONE, BREAK, HARD, DIGITS, OTHERS, PREFIX, FEED = range(9)
BERT_BITS, BYTE_LEVEL_BITS = 24, 12  # of a code point in a spelling: bytes in GPT-2's printable form are small
KIND, LENGTH = 56, 48  # where these stand in a spelling
LONGEST_SPELLING = LENGTH // BERT_BITS

_JAMO = (("\u1100", "\u11ff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"))
# With what a character makes one word, and its kind, by its general category in Python's tables.
_FELLOWS = {"L": ("a", INSIDE), "N": ("1", DIGITS)}

Spellings = npt.NDArray[np.uint64]


class Characters:
    """What one tokenizer makes of characters.

    Attributes:
        spellings: as drawn above.
        bits: of a code point in a spelling.
    """

    def __init__(self, probe: Callable[[list[str]], list[int]], bits: int) -> None:
        self.spellings, self.bits = np.zeros(CODE_POINTS, np.uint64), bits
        self._probe = probe

    def ask(self, text: Bytes, start: int, end: int) -> None:
        """Ask for unknown characters of ``text[start:end]``; for one at least, if there is one."""
        new = unknown_characters(text, start, end, self.spellings, UNPROBED, HARD << KIND)
        self.spellings[list(map(ord, new))] = np.array(self._probe(new), np.uint64)


def bert_characters(pipe: Pipe, normalize: Normalize, *, has_form: bool, strips_accents: bool) -> Characters:
    """The characters of a BERT-like tokenizer.

    Args:
        pipe: the tokenizer's own way from text to words.
        normalize: the first half of it.
        has_form: whether its normaliser begins with a Unicode normal form.
        strips_accents: whether it decomposes text to take the accents off.
    """

    def spelling(character: str, words: Sequence[str]) -> int:
        if _is_hard(character, has_form=has_form, strips_accents=strips_accents):
            return HARD << KIND
        if len(words) == 1 and words[0][0] == "a" and words[0][-1] == "b" and len(words[0]) > 1:
            return _packed(INSIDE, words[0][1:-1], BERT_BITS)
        if len(words) in {2, 3} and (words[0], words[-1]) == ("a", "b"):
            return BREAK << KIND if len(words) == 2 else _packed(ALONE, words[1], BERT_BITS)
        return HARD << KIND

    def probe(characters: list[str]) -> list[int]:
        between = words_between(characters, pipe, normalize)
        return [spelling(character, between[character]) for character in characters]

    return Characters(probe, BERT_BITS)


def byte_level_characters(pipe: Pipe, *, has_form: bool) -> Characters:
    """The characters of a tokenizer behind GPT-2's pattern, spelled in the printable form of its bytes.

    The apostrophe is hard, for it may begin 's or 't; so is all white space but the blank and the line feed.

    >>> characters = byte_level_characters(lambda text: text.split(), has_form=False)
    >>> characters.ask(np.frombuffer(b"x'" + bytes(72), np.uint8), 0, 2)
    >>> [int(characters.spellings[ord(c)]) >> KIND for c in "x'"] == [INSIDE, HARD]
    True
    """
    known = {" ": _packed(PREFIX, "\u0120", BYTE_LEVEL_BITS), "\n": _packed(FEED, LINE_FEED, BYTE_LEVEL_BITS)}

    def probe(characters: list[str]) -> list[int]:
        asked = [
            c
            for c in characters
            if not (c in PATTERN_BLANKS or c == "'" or _is_hard(c, has_form=has_form, strips_accents=False))
        ]
        fellows = [_FELLOWS.get(unicodedata.category(c)[0], ("!", OTHERS)) for c in asked]
        lines = [fellow + c + fellow for c, (fellow, _) in zip(asked, fellows, strict=True)]
        spellings = dict(known)
        for c, (fellow, kind), words in zip(asked, fellows, words_of_lines(lines, pipe), strict=True):
            if len(words) == 1 and words[0][0] == words[0][-1] == fellow and len(words[0]) > 2:
                spellings[c] = _packed(kind, words[0][1:-1], BYTE_LEVEL_BITS)
        return [spellings.get(c, HARD << KIND) for c in characters]

    return Characters(probe, BYTE_LEVEL_BITS)


def _packed(kind: int, spelled: str, bits: int) -> int:
    """A spelling, HARD if it is too long."""
    if len(spelled) * bits > LENGTH:
        return HARD << KIND
    return kind << KIND | len(spelled) << LENGTH | sum(ord(c) << bits * i for i, c in enumerate(spelled))


def _is_hard(character: str, *, has_form: bool, strips_accents: bool) -> bool:
    """Whether neighbours can change what becomes of a character, or Python does not know it."""
    if not (has_form or strips_accents) or character.isascii():
        return False
    if unicodedata.category(character) == "Cn":
        return True
    if has_form:
        decomposed = unicodedata.normalize("NFKD", character)
        return _joins(character) or (not _is_syllable(character) and _joins(decomposed[0]))
    decomposed = unicodedata.normalize("NFD", character)
    return any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed)


def _joins(character: str) -> bool:
    """Whether a character may compose with, or move around, what stands before it."""
    return unicodedata.category(character)[0] == "M" or any(first <= character <= last for first, last in _JAMO)


def _is_syllable(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"
