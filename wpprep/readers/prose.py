"""The format ``prose``: one document a file; a form feed or three blank lines also end one.

What is a paragraph depends on the file, and is told from its first 64 KB:

- *A paragraph a line* (most text): every line is a paragraph, with or without blank lines between.
- *Hard-wrapped* (Project Gutenberg): the longer lines end at much the same width, between 50 and 100
  characters. Their lines are joined with a blank. A paragraph ends at a blank line, or, since some
  such files have none, where a short line closes a sentence.

What this module does not do: put words together again that a hyphen divides at a line's end, or join
wrapped Chinese and Japanese without a blank (such files are taken as a paragraph a line: their lines
are shorter than 50 characters).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wpprep.readers.cutting import cut, decode, is_text, raw_documents, read_head, tidy_lines
from wpprep.records import Document, Slice

recognises = is_text

_BLANK_LINES = re.compile(rb"\n(?:[ \t\r]*\n){3,}")
_BLANK_LINES_OR_FORM_FEED = re.compile(rb"\f|\n(?:[ \t\r]*\n){3,}")
_CLOSES_SENTENCE = ".!?:…\"'”’»"  # noqa: RUF001 (curly quotes are meant)


def boundaries(data: bytes) -> Iterator[re.Match[bytes]]:
    """Where documents end. (The pattern without form feeds begins with a fixed byte and is 6 times faster.)"""
    return (_BLANK_LINES_OR_FORM_FEED if b"\f" in data else _BLANK_LINES).finditer(data)


def split(path: str, target_bytes: int) -> list[Slice]:
    """Slices of a file, cut at form feeds and after three blank lines; a plain book is one slice."""
    return cut(path, "prose", target_bytes, boundaries)


def read(slice_: Slice, errors: str) -> Iterator[Document]:
    """The documents of a slice, one paragraph a line."""
    name = Path(slice_.path).name
    wraps = find_wraps(read_head(slice_.path).decode(errors="replace"))
    for raw in raw_documents(slice_, boundaries):
        text, replaced = decode(raw, slice_.path, errors)
        if text := unwrap(text, wraps) if wraps else tidy_lines(text):
            yield Document(f"{name}:{raw.start}", text, replaced)


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
