"""Sentence splitting, as functions from a text to its sentences.

    >>> split = sentence_splitter("sentencex", "en", "prose")
    >>> split("Mr. Smith came. He sat.\\nA new paragraph.")
    ['Mr. Smith came.', ' He sat.', '\\nA new paragraph.']

The sentences joined are the text. White space between two sentences begins the second one, as byte-level BPE
requires, and no sentence is only white space. A line end always ends a sentence.

Within a line, sentencex splits (https://github.com/wikimedia/sentencex, about 300 languages, made for
Wikipedia); in doubtful cases it does not split. It is called line by line, which is several times faster than
on a whole book.

This module does not drop or split sentences by length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import accumulate, pairwise

from sentencex import segment

from wpprep.config import SENTENCE_RULES
from wpprep.errors import OptionError

Splitter = Callable[[str], list[str]]

_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


def sentence_splitter(rule: str, language: str, format: str) -> Splitter:
    """Return the function that splits a document's text into sentences.

    Args:
        rule: ``sentencex``; ``lines`` or ``paragraphs``, two names for making every line a sentence; or
            ``auto``: ``lines`` for the format ``lines``, else ``sentencex``.
        language: language code of the text. For a language without rules in sentencex, the rules of
            Wikipedia's fallback languages apply, in the end those of English.
        format: format of the corpus file, as in its slice.

    Raises:
        OptionError: the rule is unknown, or the language is not a code.
    """
    if rule == "auto":
        rule = "lines" if format == "lines" else "sentencex"
    if rule in ("lines", "paragraphs"):
        return split_lines
    if rule != "sentencex":
        raise OptionError(f"sentences is {rule!r}, expected one of {', '.join(SENTENCE_RULES)}")
    if not _LANGUAGE_CODE.fullmatch(language.lower()):
        raise OptionError(f"language is {language!r}, expected a code such as en, ko or pt-br")
    return partial(split_sentences, language.lower())


def split_lines(text: str) -> list[str]:
    """Return the lines of a text as sentences.

    >>> split_lines("One.\\nTwo. Three.")
    ['One.', '\\nTwo. Three.']
    """
    return _lead_with_blanks(text, re.findall(r"[^\n]+|\n", text))


def split_sentences(language: str, text: str) -> list[str]:
    """Return the sentences of all lines of a text by the rules of sentencex for a language.

    >>> split_sentences("de", "Er kam am 5. Mai. Gut.")
    ['Er kam am 5. Mai.', ' Gut.']
    """
    pieces = []
    for line in text.split("\n"):
        if line:
            pieces += _segment(language, line)
        pieces.append("\n")
    pieces.pop()
    return _lead_with_blanks(text, pieces)


def _segment(language: str, line: str) -> list[str]:
    """Return the pieces that sentencex splits a line into; the whole line if sentencex fails or alters it."""
    try:
        pieces: list[str] = segment(language, line)
    except BaseException as error:
        # sentencex 1.0.32 panics on a letter, a non-ASCII space and a full stop ("A\u00a0."). PyO3's
        # PanicException is not an Exception and cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return [line]
    return pieces if "".join(pieces) == line else [line]


def _lead_with_blanks(text: str, pieces: list[str]) -> list[str]:
    """Return the pieces of a text with the white space at the end of each moved to the start of the next."""
    starts = accumulate(map(len, pieces), initial=0)
    ends = [
        start + kept for start, kept in zip(starts, map(len, map(str.rstrip, pieces)), strict=False) if kept
    ]
    if not ends:
        return [text] if text else []
    return [text[begin:end] for begin, end in pairwise([0, *ends[:-1], len(text)])]
