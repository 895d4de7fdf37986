"""Where a tokenizer's text may be cut so that ``encode(x + y) == encode(x) + encode(y)``.

**BERT-like tokenizers** (a BERT or Unicode normaliser before BertPreTokenizer, under WordPiece or character
BPE). The pre-tokenizer ends a word at every blank, and normalisers work within what stands between
blanks: so text is cut at blanks, which are dropped. A character stands alone (punctuation, ideographs)
if the pre-tokenizer isolates it whatever its neighbours are. The library's tables of such characters are
older than Python's and change with its options, so the tokenizer itself is asked: c stands alone if
"acb" becomes a, what c alone becomes, b. One thing crosses such a cut: under NFC and NFKC the mark
U+0338 composes with <, = and > before it, with or without other marks between, and a=U+0338 is one word:
so these three stand alone only where the next character is ASCII.

Only blanks that `clean_text` keeps count: it *deletes* 0B, 0C, 1C-1F and 85, which joins the words around.

**Byte-level BPE**, GPT-2's pattern ``'s|'t|...| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+``. No
match of it holds a blank after a non-blank, so text is cut before every run of blanks, which stays with what
follows because the pattern takes one blank along and looks ahead. Among ASCII characters it is also cut
between letters, digits and others, but not after the apostrophe, which may begin 's or 't. A Unicode form
or lowercasing before it changes nothing of this: no cut is made beside a character beyond ASCII other than
a blank, and what becomes of ASCII, of blanks and of case keeps its kind.

    >>> from wpprep.encode.scanner import ChunkTable
    >>> rule = byte_level_rule()
    >>> table = ChunkTable(rule)
    >>> _ = table.scan(np.frombuffer(b"it's 4pm,  ok", np.uint8), np.array([13]))
    >>> table.chunks()
    ['it', "'s", ' 4', 'pm', ',', '  ok']
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from wpprep.encode.scanner import (
    BLANK,
    CLASSES,
    DROPPED_BLANKS,
    FIRST_FREE,
    KNOWN,
    ORDINARY,
    PEEKS,
    UNPROBED,
    CutRule,
)
from wpprep.encode.utf8 import CODE_POINTS
from wpprep.records import Bytes

Pipe = Callable[[str], Sequence[str]]  # text to pre-tokens: normalise, then pre-tokenise

ALONE = FIRST_FREE
_LETTER, _DIGIT, _APOSTROPHE, _OTHER = range(FIRST_FREE, FIRST_FREE + 4)

_BETWEEN = "z9z"  # a word that no normaliser changes and no single character makes
# What GPT-2's \s matches.
_PATTERN_BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "\u2028\u2029\u202f\u205f\u3000"
)
_COMPOSING = "<=>"  # the only characters that stand alone and compose with a mark after them
_IDEOGRAPHS = (
    (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00),
    (0x20000, 0x2A6E0), (0x2A700, 0x2CEB0), (0x2F800, 0x2FA20),
)  # fmt: skip


def bert_rule(pipe: Pipe, composes: bool) -> CutRule:
    """The rule for a BERT-like tokenizer.

    Args:
        pipe: the tokenizer's own way from text to pre-tokens.
        composes: whether its normaliser composes (NFC or NFKC), so that <, = and > need care.
    """

    def probe(characters: list[str]) -> Bytes:
        classes = np.full(len(characters), ORDINARY, np.uint8)
        candidates = [i for i, character in enumerate(characters) if _may_stand_alone(character)]
        texts = [characters[i] for i in candidates]
        alone, between = _words_of_each(texts, pipe), words_between(texts, pipe)
        for i, here, there in zip(candidates, alone, between, strict=True):
            if here and there == ["a", *here, "b"]:
                classes[i] = PEEKS if composes and characters[i] in _COMPOSING else ALONE
        return classes

    cuts = np.ones((CLASSES, CLASSES), np.uint8)
    cuts[ORDINARY, ORDINARY] = 0
    rule = _lazy_rule("bert", probe, cuts, drops_blanks=True)
    rule.classes[[ord(blank) for blank in DROPPED_BLANKS]] = BLANK
    return rule


def byte_level_rule() -> CutRule:
    """The rule for byte-level BPE behind GPT-2's pattern."""

    def probe(characters: list[str]) -> Bytes:
        return np.array([_byte_level_class(character) for character in characters], np.uint8)

    cuts = np.zeros((CLASSES, CLASSES), np.uint8)
    cuts[ORDINARY:, BLANK] = 1
    for left in (_LETTER, _DIGIT, _OTHER):
        cuts[left, [_LETTER, _DIGIT, _APOSTROPHE, _OTHER]] = 1
    cuts[_APOSTROPHE, _DIGIT] = 1
    for kind in (_LETTER, _DIGIT, _OTHER):
        cuts[kind, kind] = 0
    cuts[_OTHER, _APOSTROPHE] = 0
    return _lazy_rule("byte-level", probe, cuts, drops_blanks=False)


def _byte_level_class(character: str) -> int:
    if character in _PATTERN_BLANKS:
        return BLANK
    if not character.isascii():
        return ORDINARY
    if character == "'":
        return _APOSTROPHE
    return _LETTER if character.isalpha() else _DIGIT if character.isdigit() else _OTHER


def _lazy_rule(name: str, probe: Callable[[list[str]], Bytes], cuts: Bytes, drops_blanks: bool) -> CutRule:
    """A rule that knows Latin from the start and asks for other characters when they are met."""
    classes = np.full(CODE_POINTS, UNPROBED, np.uint8)
    classes[:KNOWN] = probe([chr(code) for code in range(KNOWN)])
    return CutRule(name, classes, cuts.ravel(), drops_blanks, probe)


def words_between(characters: Sequence[str], pipe: Pipe) -> list[list[str]]:
    """The words that a tokenizer makes of "acb" for every character c, in one call.

    >>> words_between([".", " ", "x"], str.split)
    [['a.b'], ['a', 'b'], ['axb']]
    """
    return _words_of_each([f"a{character}b" for character in characters], pipe)


def _words_of_each(texts: Sequence[str], pipe: Pipe) -> list[list[str]]:
    """The words of every text; between blanks they are what they would be in calls of their own."""
    if not texts:
        return []
    groups: list[list[str]] = [[]]
    for word in pipe(f" {_BETWEEN} ".join(texts)):
        if word == _BETWEEN:
            groups.append([])
        else:
            groups[-1].append(word)
    assert len(groups) == len(texts)
    return groups


def _may_stand_alone(character: str) -> bool:
    if character.isascii():
        return not character.isalnum() and character.isprintable() and character != " "
    return unicodedata.category(character).startswith("P") or any(
        first <= ord(character) < stop for first, stop in _IDEOGRAPHS
    )
