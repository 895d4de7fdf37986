"""Sentences: where a document's text is cut, as a function from text to sentences.

    >>> split = sentence_splitter("sentencex", "en", "prose")
    >>> split("Mr. Smith came. He sat.\\nA new paragraph.")
    ['Mr. Smith came.', ' He sat.', '\\nA new paragraph.']

Sentences joined are the text again: blanks between two of them lead the second, which is what
byte-level BPE needs, and no sentence is only blanks. A line end always ends a sentence.

The rules inside a line are sentencex's (https://github.com/wikimedia/sentencex, about 300 languages,
made for Wikipedia): when in doubt it does not cut. It is called a line at a time, which is several
times faster than a book at a time. Sentences of any length are kept.
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
    """The function that cuts a document's text into sentences.

    Args:
        rule: ``sentencex``; ``lines`` or ``paragraphs``, which both make every line a sentence and
            differ in name only; or ``auto``: ``lines`` for the format ``lines``, else ``sentencex``.
        language: code of the text's language. One that sentencex does not know has the rules of the
            languages Wikipedia falls back to, at last those of English.
        format: format of the corpus file, as in its slice.

    Raises:
        OptionError: the rule is unknown or the language is no code.
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
    """Every line a sentence.

    >>> split_lines("One.\\nTwo. Three.")
    ['One.', '\\nTwo. Three.']
    """
    return _lead_with_blanks(text, re.findall(r"[^\n]+|\n", text))


def split_sentences(language: str, text: str) -> list[str]:
    """The sentences of every line by sentencex's rules for a language."""
    pieces = []
    for line in text.split("\n"):
        if line:
            pieces += _segment(language, line)
        pieces.append("\n")
    pieces.pop()
    return _lead_with_blanks(text, pieces)


def _segment(language: str, line: str) -> list[str]:
    """The pieces sentencex cuts a line into; the whole line where it fails to give the line back."""
    try:
        pieces: list[str] = segment(language, line)
    except BaseException as error:
        # sentencex 1.0.32 panics on a letter, a non-ASCII blank and a full stop ("A\u00a0."), and
        # PyO3 keeps its PanicException out of reach of both `except Exception` and imports.
        if type(error).__name__ != "PanicException":
            raise
        return [line]
    return pieces if "".join(pieces) == line else [line]


def _lead_with_blanks(text: str, pieces: list[str]) -> list[str]:
    """Sentences from the pieces of a text: what is blank at the end of one goes to the start of the next."""
    starts = accumulate(map(len, pieces), initial=0)
    ends = [
        start + kept for start, kept in zip(starts, map(len, map(str.rstrip, pieces)), strict=False) if kept
    ]
    if not ends:
        return [text] if text else []
    return [text[begin:end] for begin, end in pairwise([0, *ends[:-1], len(text)])]
