# ruff: noqa: RUF001 (ambiguous characters are intended)
"""Line-level markup, after all other markup is removed: quotes, headings, list items and empty brackets.

    * '''It''' is l'''Odissea''. ( ; )   ->   It is l'Odissea.

Removed are headings, the quotes of bold and italics, brackets without content, and list items that do not end
like a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wpprep.corpus.readers.mediawiki.markup import APOSTROPHE

_SWITCHES = re.compile(r"__[A-ZÀ-ÞА-Я]{3,}__")
_HEADING = re.compile(r"={1,6}[^=].*=")
_LEFTOVER = re.compile(r"\{\||\|[}+|\-]|\||!|\}\}|\{\{|<?/?[a-z]+>$", re.IGNORECASE)
_INDENT = re.compile(r"[*#;:]+\s*")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")
_EMPTY_BRACKETS = re.compile(
    r"\s*(?:\((?:[,;:\-–/\s]|\b(?:or|and|oder|ou)\b)*\)|\[\s*\]|（\s*[,;:、，；\s]*）)"
)
_AFTER_OPENING = re.compile(r"(?<=[(（])[\s,;:、，；]+")
_BEFORE_CLOSING = re.compile(r"[\s,;、，；]+(?=[)）])")
_BLANKS = re.compile(r"[ \t\xa0\u2000-\u200a\u202f\u3000]+")
_BLANK_BEFORE_STOP = re.compile(r" (?=[,.](?:\s|$))")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\ue000]")


def prose_lines(text: str) -> Iterator[str]:
    """Yield the lines of a text that are prose, without their markup.

    >>> list(prose_lines("== Size ==\\n* A link\\n* It is ''small'' ( ).\\n"))
    ['It is small.']
    """
    for line in text.split("\n"):
        if prose := _prose_of(line.strip()):
            yield prose


def _prose_of(line: str) -> str:
    """Return a line without its markup; an empty string if it is not prose."""
    if not line or _HEADING.fullmatch(line.rstrip()) or _LEFTOVER.match(line):
        return ""
    line = _strip_quotes(line) if "''" in line else line
    indent = _INDENT.match(line)
    is_item = indent is not None and indent[0].strip(": ") != ""
    line = line[indent.end() :] if indent else line
    line = _SWITCHES.sub("", line) if "__" in line else line
    line = _INVISIBLE.sub("", line).replace(APOSTROPHE, "'")
    line = _BLANKS.sub(" ", line)
    if "(" in line or "（" in line or "[" in line:
        line = _BEFORE_CLOSING.sub("", _AFTER_OPENING.sub("", _EMPTY_BRACKETS.sub("", line)))
    line = _BLANK_BEFORE_STOP.sub("", line).strip()
    if is_item and not _SENTENCE_END.search(line):
        return ""
    return line if any(map(str.isalnum, line)) else ""


def _strip_quotes(line: str) -> str:
    """Return the line without the quotes of bold and italics, parsed like MediaWiki (Parser::doQuotes).

    The first of four quotes is text. If bold and italics are both unbalanced, one ''' is an apostrophe and
    italics: the first one after a word of one letter, else after a longer word, else after a space.

        >>> _strip_quotes("l'''Odissea'', '''so''' and ''so''")
        "l'Odissea, so and so"
    """
    parts = re.split(r"('{2,})", line)
    runs = range(1, len(parts), 2)
    for i in runs:
        if len(parts[i]) == 4:
            parts[i - 1] += "'"
            parts[i] = "'''"
    lengths = [len(parts[i]) for i in runs]
    bold, italic = sum(n in (3, 5) for n in lengths), sum(n in (2, 5) for n in lengths)
    if bold % 2 and italic % 2:
        found = [i for i in runs if len(parts[i]) == 3]
        parts[min(found, key=lambda i: (_rank(parts[i - 1]), i), default=0) - 1] += "'" if found else ""
    return "".join(parts[::2])


def _rank(before: str) -> int:
    if before.endswith(" "):
        return 2
    return 0 if before[-2:-1] == " " else 1
