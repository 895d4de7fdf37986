"""Result of normalising and pre-tokenizing single characters, probed once per character and kept in a table.

`tokenizers` takes microseconds for a short text: it creates objects, aligns offsets and allocates a string for
every look-up. Yet the result of most characters c does not depend on their neighbours:

    INSIDE  "acb" becomes one word a...b: the spelling of c is the part between (A -> a, U+200B -> nothing)
    ALONE   "acb" becomes a, a word, b: punctuation, ideographs
    BREAK   "acb" becomes a, b: white space
    HARD    anything else, and every character that neighbours can change under this normaliser

With GPT-2's pattern a word is a run of characters of one kind, with or without a space before it, and INSIDE is
only the first of three kinds; PREFIX and FEED apply at the beginning of a chunk and are hard elsewhere:

    INSIDE  letters                 DIGITS  numbers                 OTHERS  neither these nor white space
    PREFIX  the space               FEED    the line feed, a word by itself

Text with a HARD character is encoded by the library. `_is_hard` decides which characters these are: among
normalisers, only Unicode's normal forms depend on neighbours, and they do not change a text of starters unless
a mark or a conjoining jamo follows (Unicode Standard Annex 15, quick check).

    spellings  uint64[0x110000]   [ kind : 8 | number of code points : 8 | code points : 48 ]   0: not probed
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
BERT_BITS, BYTE_LEVEL_BITS = 24, 12  # bits per code point of a spelling; GPT-2's printable bytes are small
KIND, LENGTH = 56, 48  # bit positions of these fields in a spelling
LONGEST_SPELLING = LENGTH // BERT_BITS

_JAMO = (("\u1100", "\u11ff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"))
# By general category in Python's tables: a character expected to join it in one word, and its kind.
_FELLOWS = {"L": ("a", INSIDE), "N": ("1", DIGITS)}

Spellings = npt.NDArray[np.uint64]


class Characters:
    """Table of the spellings of characters under one tokenizer, filled as characters are met.

    Attributes:
        spellings: ``uint64[0x110000]``, laid out as in the module docstring.
        bits: number of bits per code point of a spelling.
    """

    def __init__(self, probe: Callable[[list[str]], list[int]], bits: int) -> None:
        """Create an empty table; ``probe`` returns the spellings of characters."""
        self.spellings, self.bits = np.zeros(CODE_POINTS, np.uint64), bits
        self._probe = probe

    def ask(self, text: Bytes, start: int, end: int) -> None:
        """Probe unknown characters of ``text[start:end]``: at least one, if there is one."""
        new = unknown_characters(text, start, end, self.spellings, UNPROBED, HARD << KIND)
        self.spellings[list(map(ord, new))] = np.array(self._probe(new), np.uint64)


def bert_characters(pipe: Pipe, normalize: Normalize, *, has_form: bool, strips_accents: bool) -> Characters:
    """Return the table of characters of a BERT-like tokenizer.

    Args:
        pipe: the tokenizer's function from text to words.
        normalize: its first part, the normaliser.
        has_form: whether the normaliser begins with a Unicode normal form.
        strips_accents: whether the normaliser decomposes text to remove accents.
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
    """Return the table of characters of a tokenizer with GPT-2's pattern, spelled as printable bytes.

    The apostrophe is hard, because it may begin 's or 't; so is white space except the space and the line feed.

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
    """Return the packed spelling, HARD if it is too long."""
    if len(spelled) * bits > LENGTH:
        return HARD << KIND
    return kind << KIND | len(spelled) << LENGTH | sum(ord(c) << bits * i for i, c in enumerate(spelled))


def _is_hard(character: str, *, has_form: bool, strips_accents: bool) -> bool:
    """Return whether neighbours can change how a character is normalised, or Python has no data on it."""
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
    """Return whether a character may compose with the characters before it, or be reordered with them."""
    return unicodedata.category(character)[0] == "M" or any(first <= character <= last for first, last in _JAMO)


def _is_syllable(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"
