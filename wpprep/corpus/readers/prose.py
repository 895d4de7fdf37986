"""The format ``prose``: one document per file; a form feed or three blank lines also end a document.

The layout of paragraphs is detected from the first 64 KiB of a file:

- *One paragraph per line* (most text): every line is a paragraph, with or without blank lines between them.
- *Hard-wrapped* (Project Gutenberg): most lines end near the same width, between 50 and 100 characters. Such
  lines are joined with a space. A paragraph ends at a blank line or, since some of these files have none, at a
  short line that ends a sentence.

The header and the licence of a Project Gutenberg book are removed: all text before its START line and after its
END line.

This module does not rejoin words hyphenated at a line end, and does not join wrapped Chinese or Japanese, whose
lines are shorter than 50 characters: there every line is a paragraph.
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
_MARK = 200  # bytes kept from the block before, where an END line may begin
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
    """Find the ends of documents. (Without form feeds, the pattern starts with a fixed byte: faster.)"""
    return (_BLANK_LINES_OR_FORM_FEED if b"\f" in data else _BLANK_LINES).finditer(data)


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut at form feeds and after three blank lines; most books are one slice."""
    return cut(path, "prose", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one paragraph per line, or their errors.

    Raises:
        CorpusError: the compressed data is damaged or truncated.
    """
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
    """Return the start and stop offsets of the text between Project Gutenberg's marks, else of the whole file.

    Args:
        path: file to search for the END line.
        head: first lines of the file, with the START line if there is one.
        options: options of the corpus.
    """
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
    """Return the pattern of line ends inside paragraphs; None if every line is a paragraph.

    A file is hard-wrapped if the 90th percentile of its line lengths is a width of 50 to 100 characters and the
    median is at least three quarters of it. A line end is a wrap unless it follows a blank line, or a line that
    ends a sentence and is shorter than 7/8 of the median.
    """
    lengths = sorted(len(line) for line in tidy_lines(head).split("\n"))
    median, width = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    if not (50 <= width <= 100 and 4 * median >= 3 * width):
        return None
    goes_on = rf"(?<![\n{_CLOSES_SENTENCE}]\n)"
    is_long = rf"(?<=[^\n]{{{median * 7 // 8}}}\n)"
    return re.compile(rf"\n(?:{goes_on}|{is_long})")


def unwrap(text: str, wraps: re.Pattern[str]) -> str:
    """Return the text with wrapped lines joined, one paragraph per line."""
    stripped = "\n".join(map(str.strip, text.split("\n")))
    return tidy_lines(wraps.sub(" ", stripped))
