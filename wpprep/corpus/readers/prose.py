"""The format ``prose``: one document a file; a form feed or three blank lines also end one.

What is a paragraph depends on the file, and is told from its first 64 KB:

- *A paragraph a line* (most text): every line is a paragraph, with or without blank lines between.
- *Hard-wrapped* (Project Gutenberg): the longer lines end at much the same width, between 50 and 100
  characters. Their lines are joined with a blank. A paragraph ends at a blank line, or, since some
  such files have none, where a short line closes a sentence.

Of a book from Project Gutenberg the header and the licence are left out: what comes before its START mark
and after its END mark.

What this module does not do: put words together again that a hyphen divides at a line's end, or join
wrapped Chinese and Japanese without a blank (such files are taken as a paragraph a line: their lines
are shorter than 50 characters).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import cut, is_text, raw_documents, tidy_lines
from wpprep.corpus.readers.decoding import BOM, RawDocument, decode, is_one_piece, open_text, read_head
from wpprep.records import Document, Slice
from wpprep.storage.files import read_block

recognises = is_text

_BLANK_LINES = re.compile(rb"\n(?:[ \t\r]*\n){3,}")
_BLANK_LINES_OR_FORM_FEED = re.compile(rb"\f|\n(?:[ \t\r]*\n){3,}")
_LICENCE = 1 << 16  # bytes; the licence has about 19,000
_MARK = 200
_GUTENBERG_START = re.compile(
    rb"^(?:\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^*]{0,400}\*\*\*|\*END\*? ?THE SMALL PRINT!)"
    rb"[^\n]*\n"
    rb"(?:\s*(?:Produced|E-text prepared|Transcribed) by[^\n]*\n(?:[^\s][^\n]*\n)*)?",
    re.MULTILINE,
)
_GUTENBERG_END = re.compile(
    rb"^(?:\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG|End of (?:The |the )?Project Gutenberg)", re.MULTILINE
)
_CLOSES_SENTENCE = ".!?:…\"'”’»"  # noqa: RUF001 (curly quotes are meant)


def boundaries(data: bytes) -> Iterator[re.Match[bytes]]:
    """Where documents end. (The pattern without form feeds begins with a fixed byte and is 6 times faster.)"""
    return (_BLANK_LINES_OR_FORM_FEED if b"\f" in data else _BLANK_LINES).finditer(data)


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Slices of a file, cut at form feeds and after three blank lines; a plain book is one slice."""
    return cut(path, "prose", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """The documents of a slice, one paragraph a line."""
    name = Path(slice_.path).name
    head = read_head(slice_.path, options)
    wraps = find_wraps(head.decode(errors="replace"))
    begin, end = find_book(slice_.path, head, options)

    def make(raw: RawDocument) -> Document | None:
        first, last = max(0, begin - raw.start), max(0, end - raw.start)
        raw = RawDocument(raw.start + first, raw.data[first:last], raw.problem)
        text, replaced = decode(raw, slice_.path, options.errors)
        text = unwrap(text, wraps) if wraps else tidy_lines(text)
        return Document(f"{name}:{raw.start}", text, replaced) if text else None

    return attempt(make, raw_documents(slice_, boundaries, options))


def find_book(path: str, head: bytes, options: CorpusOptions) -> tuple[int, int]:
    """The bytes between which a file is a book: all of them, or what is between Project Gutenberg's marks."""
    start = _GUTENBERG_START.search(head)
    if not start:
        return 0, sys.maxsize
    with open_text(path, options) as file:
        window = read_block(file, path, len(BOM))
        begin, position = start.end() + (len(BOM) if window == BOM else 0), len(window)
        if not is_one_piece(path, options):
            position = file.seek(max(0, file.seek(0, os.SEEK_END) - _LICENCE))
        while more := read_block(file, path, _LICENCE):
            window = window[-_MARK:] + more
            position += len(more)
            if found := _GUTENBERG_END.search(window):
                return begin, position - len(window) + found.start()
    return begin, sys.maxsize


def find_wraps(head: str) -> re.Pattern[str] | None:
    """What matches the line ends inside paragraphs, or None if every line is a paragraph.

    A file is hard-wrapped if nine lines of ten are at most ``width`` long, 50 to 100 characters,
    and half of them are three quarters of that or longer. A line end is a wrap if the line closes
    no sentence or is long: nearly as long as half of them are. (Blank lines stay line ends.)
    """
    lengths = sorted(len(line) for line in tidy_lines(head).split("\n"))
    median, width = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    if not (50 <= width <= 100 and 4 * median >= 3 * width):
        return None
    goes_on = rf"(?<![\n{_CLOSES_SENTENCE}]\n)"
    is_long = rf"(?<=[^\n]{{{median * 7 // 8}}}\n)"
    return re.compile(rf"\n(?:{goes_on}|{is_long})")


def unwrap(text: str, wraps: re.Pattern[str]) -> str:
    """The text with wrapped lines joined, one paragraph a line."""
    stripped = "\n".join(map(str.strip, text.split("\n")))
    return tidy_lines(wraps.sub(" ", stripped))
