"""Where a tokenizer's text may be cut so that ``encode(x + y) == encode(x) + encode(y)``.

**BERT-like tokenizers** (a BERT or Unicode normaliser before BertPreTokenizer, under WordPiece or character
BPE). The pre-tokenizer ends a word at every blank, and normalisers work within what stands between
blanks: so text is cut at blanks, which are dropped. A character stands alone (punctuation, ideographs)
if the pre-tokenizer isolates it whatever its neighbours are. The library's tables of such characters are
older than Python's and change with its options, so the tokenizer itself is asked: c stands alone if
"acb" becomes a, what c alone becomes, b. One thing crosses such a cut: under NFC and NFKC the mark
U+0338 composes with <, = and > before it, so whatever holds it is cut at blanks only.

Only blanks that `clean_text` keeps count: it *deletes* 0B, 0C, 1C-1F and 85, which joins the words around.

**Byte-level BPE** (GPT-2's pattern ``'s|'t|...| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+``). No
match of it holds a blank after a non-blank, so text is cut before every run of blanks, which stays with what
follows because the pattern takes one blank along and looks ahead. Among ASCII characters it is also cut
between letters, digits and others, but not after the apostrophe, which may begin 's or 't.

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
    BLOCK,
    CLASSES,
    CODE_POINTS,
    FIRST_FREE,
    JOINER,
    ORDINARY,
    UNPROBED,
    Bytes,
    ChunkTable,
    CutRule,
)

__all__ = ["ChunkTable", "bert_rule", "byte_level_rule"]

Pipe = Callable[[str], Sequence[str]]  # text to pre-tokens: normalise, then pre-tokenise

ALONE = FIRST_FREE
_LETTER, _DIGIT, _APOSTROPHE, _OTHER = range(FIRST_FREE, FIRST_FREE + 4)

_DROPPED_BLANKS = " \t\n\r"
# What GPT-2's \s matches.
_PATTERN_BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "\u2028\u2029\u202f\u205f\u3000"
)
_COMPOSING_MARK = 0x0338
_IDEOGRAPHS = (
    (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x2A6E0), (0x2A700, 0x2CEB0), (0x2F800, 0x2FA20),
)  # fmt: skip


def bert_rule(pipe: Pipe, composes: bool) -> CutRule:
    """The rule for a BERT-like tokenizer.

    Args:
        pipe: the tokenizer's own way from text to pre-tokens.
        composes: whether its normaliser is NFC or NFKC, so that U+0338 needs care.
    """

    def probe(first: int) -> Bytes:
        classes = np.full(BLOCK, ORDINARY, np.uint8)
        characters = [chr(code) for code in range(first, first + BLOCK) if _may_stand_alone(code)]
        classes[[ord(character) - first for character in characters if _stands_alone(character, pipe)]] = ALONE
        for blank in _DROPPED_BLANKS:
            if first == 0:
                classes[ord(blank)] = BLANK
        if composes and first <= _COMPOSING_MARK < first + BLOCK:
            classes[_COMPOSING_MARK - first] = JOINER
        return classes

    cuts = np.ones((CLASSES, CLASSES), np.uint8)
    cuts[ORDINARY, ORDINARY] = cuts[BLANK, BLANK] = 0
    return _lazy_rule("bert", probe, cuts, drops_blanks=True)


def byte_level_rule() -> CutRule:
    """The rule for byte-level BPE behind GPT-2's pattern."""

    def probe(first: int) -> Bytes:
        classes = np.full(BLOCK, ORDINARY, np.uint8)
        for code in range(first, first + BLOCK):
            character = chr(code)
            if character in _PATTERN_BLANKS:
                classes[code - first] = BLANK
            elif code < 128:
                kind = _LETTER if character.isalpha() else _DIGIT if character.isdigit() else _OTHER
                classes[code - first] = _APOSTROPHE if character == "'" else kind
        return classes

    cuts = np.zeros((CLASSES, CLASSES), np.uint8)
    cuts[ORDINARY:, BLANK] = 1
    for left in (_LETTER, _DIGIT, _OTHER):
        cuts[left, [_LETTER, _DIGIT, _APOSTROPHE, _OTHER]] = 1
    cuts[_APOSTROPHE, _DIGIT] = 1
    for kind in (_LETTER, _DIGIT, _OTHER):
        cuts[kind, kind] = 0
    cuts[_OTHER, _APOSTROPHE] = 0
    return _lazy_rule("byte-level", probe, cuts, drops_blanks=False)


def _lazy_rule(name: str, probe: Callable[[int], Bytes], cuts: Bytes, drops_blanks: bool) -> CutRule:
    """A rule that knows Latin from the start and probes other blocks when they are met."""
    classes = np.full(CODE_POINTS, UNPROBED, np.uint8)
    classes[:BLOCK] = probe(0)
    return CutRule(name, classes, cuts.ravel(), drops_blanks, probe)


def _may_stand_alone(code: int) -> bool:
    character = chr(code)
    if code < 128:
        return not character.isalnum() and character.isprintable() and character != " "
    return unicodedata.category(character).startswith("P") or any(a <= code < b for a, b in _IDEOGRAPHS)


def _stands_alone(character: str, pipe: Pipe) -> bool:
    alone = list(pipe(character))
    return bool(alone) and list(pipe(f"a{character}b")) == ["a", *alone, "b"]
