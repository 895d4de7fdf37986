"""Rules for cutting text so that ``encode(x + y) == encode(x) + encode(y)``, for the supported tokenizers.

**BERT-like tokenizers** (a BERT or Unicode normaliser before BertPreTokenizer, with WordPiece or character
BPE). The pre-tokenizer ends a word at every blank, and normalisers work within the text between blanks: so
text is cut at blanks, which are dropped. It is also cut around a character that the pre-tokenizer isolates
whatever its neighbours are (punctuation, ideographs). The library's tables of such characters are older than
Python's and depend on its options, so the tokenizer itself is probed: c is isolated if "acb" becomes a, the
result of c alone, b. There is one interaction across such a cut: under NFC and NFKC the mark U+0338 composes
with <, = and > before it, with or without other marks between, and a=U+0338 is one word. So these three are
isolated only if the next character is ASCII.

Blanks are only those that `clean_text` keeps: it *deletes* 0B, 0C, 1C-1F and 85, which joins the words around.

**Byte-level BPE**, GPT-2's pattern ``'s|'t|...| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+``.
No match of it contains a blank after a non-blank, so text is cut before every run of blanks; the run remains in
one chunk with the text after it, because the pattern attaches one blank to it and looks ahead. Between ASCII
characters text is also cut between letters, digits and others, but not after the apostrophe, which may begin 's
or 't. A Unicode form or lowercasing before the pattern does not affect this: text is never cut next to a
character beyond ASCII that is not a blank, and normalising keeps the kind of ASCII characters and of blanks.

The rules do not cover other pre-tokenizers; `encoder.safe_rule` decides which tokenizers have a rule.

    >>> from wpprep.tokenizer.scanner import ChunkTable
    >>> rule = byte_level_rule()
    >>> table = ChunkTable(rule)
    >>> _ = table.scan(np.frombuffer(b"it's 4pm,  ok", np.uint8), np.array([13]))
    >>> table.chunks()
    ['it', "'s", ' 4', 'pm', ',', '  ok']
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from wpprep.records import Bytes
from wpprep.tokenizer.cut_rule import (
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
from wpprep.tokenizer.utf8 import CODE_POINTS

Pipe = Callable[[str], Sequence[str]]  # text to pre-tokens: normalise, then pre-tokenise
Normalize = Callable[[str], str]

ALONE = FIRST_FREE
_LETTER, _DIGIT, _APOSTROPHE, _OTHER = range(FIRST_FREE, FIRST_FREE + 4)

_BETWEEN = "z9z"  # a word that no normaliser changes and that no single character becomes
# The characters that \s of GPT-2's pattern matches.
PATTERN_BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "\u2028\u2029\u202f\u205f\u3000"
)
LINE_FEED = "\u010a"  # the byte 0A in GPT-2's printable form
_COMPOSING = "<=>"  # the only isolated characters that compose with a mark after them
# CJK ideographs according to BERT (the library omits U+2B820 to U+2B91F).
_IDEOGRAPH = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)


def bert_rule(pipe: Pipe, composes: bool, normalize: Normalize | None = None) -> CutRule:
    """Return the rule of a BERT-like tokenizer.

    Args:
        pipe: the tokenizer's function from text to pre-tokens.
        composes: whether its normaliser composes (NFC or NFKC), so that <, = and > are PEEKS.
        normalize: the first part of ``pipe``, the normaliser, which makes probing ideographs cheaper.
    """

    def probe(characters: list[str]) -> Bytes:
        candidates = [c for c in characters if _may_stand_alone(c)]
        between = words_between([*candidates, *_ideographs(characters)], pipe, normalize)
        alone = dict(zip(candidates, _words_of_each(candidates, pipe), strict=True))
        known: dict[str, int] = {}
        for character, there in between.items():
            # An ideograph that becomes one word between letters becomes the same word alone.
            here = alone.get(character, there[1:-1])
            if here and list(there) == ["a", *here, "b"]:
                known[character] = PEEKS if composes and character in _COMPOSING else ALONE
        return np.array([known.get(character, ORDINARY) for character in characters], np.uint8)

    cuts = np.ones((CLASSES, CLASSES), np.uint8)
    cuts[ORDINARY, ORDINARY] = 0
    rule = _lazy_rule("bert", probe, cuts, drops_blanks=True)
    rule.classes[[ord(blank) for blank in DROPPED_BLANKS]] = BLANK
    return rule


def byte_level_rule() -> CutRule:
    """Return the rule of byte-level BPE with GPT-2's pattern."""

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
    if character in PATTERN_BLANKS:
        return BLANK
    if not character.isascii():
        return ORDINARY
    if character == "'":
        return _APOSTROPHE
    return _LETTER if character.isalpha() else _DIGIT if character.isdigit() else _OTHER


def _lazy_rule(name: str, probe: Callable[[list[str]], Bytes], cuts: Bytes, drops_blanks: bool) -> CutRule:
    """Return a rule in which the first KNOWN characters are probed, and others are probed when met."""
    classes = np.full(CODE_POINTS, UNPROBED, np.uint8)
    classes[:KNOWN] = probe([chr(code) for code in range(KNOWN)])
    return CutRule(name, classes, cuts.ravel(), drops_blanks, probe)


def words_between(
    characters: Sequence[str], pipe: Pipe, normalize: Normalize | None = None
) -> dict[str, Sequence[str]]:
    """Return the words of "acb" for every character c, with a few calls of the tokenizer.

    Args:
        characters: the characters c; duplicates are allowed.
        pipe: the tokenizer's function from text to pre-tokens.
        normalize: the first part of ``pipe``, the normaliser, which makes probing ideographs cheaper.

    >>> words_between([".", " ", "x"], str.split)
    {'x': ['axb'], '.': ['a.b'], ' ': ['a', 'b']}
    """
    found = _words_between_ideographs(_ideographs(characters), pipe, normalize)
    found |= _words_between_letters([c for c in characters if c not in found and c.isalpha()], pipe)
    others = [c for c in characters if c not in found]
    found |= zip(others, _words_of_each([f"a{c}b" for c in others], pipe), strict=True)
    return found


def _words_between_ideographs(
    characters: list[str], pipe: Pipe, normalize: Normalize | None
) -> dict[str, Sequence[str]]:
    """Return what `words_between` does, by the normaliser alone if it puts blanks around all characters.

    The pre-tokenizer is slow. It splits at blanks, and a single character between blanks is one word.
    """
    if normalize is not None and characters:
        parts = normalize(f"a{'a'.join(characters)}a").split(" ")
        made = parts[1::2]
        if len(parts) == 2 * len(characters) + 1 and set(parts[::2]) == {"a"} and set(map(len, made)) == {1}:
            return {c: ("a", word, "b") for c, word in zip(characters, made, strict=True)}
    return dict(zip(characters, _words_of_each([f"a{c}b" for c in characters], pipe), strict=True))


def _words_between_letters(characters: list[str], pipe: Pipe) -> dict[str, Sequence[str]]:
    """Return what `words_between` does, faster if every "acb" becomes one word (none becomes no word)."""
    texts = [f"a{c}b" for c in characters]
    words = pipe(" ".join(texts))
    made = [[word] for word in words] if len(words) == len(texts) else _words_of_each(texts, pipe)
    return dict(zip(characters, made, strict=True))


def _words_of_each(texts: Sequence[str], pipe: Pipe) -> list[list[str]]:
    """Return the words of every text with one call; between blanks they are those of separate calls."""
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


def words_of_lines(lines: Sequence[str], pipe: Pipe) -> list[Sequence[str]]:
    """Return the words of every line under GPT-2's pattern, with one call; lines contain no line feed."""
    words = pipe("\n".join(lines))
    feeds = [-1, *(i for i, word in enumerate(words) if word == LINE_FEED), len(words)]
    return [words[start + 1 : end] for start, end in itertools.pairwise(feeds)] if lines else []


def _may_stand_alone(character: str) -> bool:
    if character.isascii():
        return not character.isalnum() and character.isprintable() and character != " "
    return unicodedata.category(character).startswith("P")


def _ideographs(characters: Sequence[str]) -> list[str]:
    return _IDEOGRAPH.findall("".join(characters))
