"""Cutting of text files between documents: the common part of the readers of text.

A reader passes a function that finds boundaries in bytes. A boundary belongs to the document before it, and
ends at the same byte wherever in the file the search begins. A file can therefore be cut at any boundary, and
its documents and their offsets are the same for every slice size.

    b"One.\\n\\nTwo.\\n\\nThree."      with boundaries rb"\\n\\s*\\n":
      ^0      ^6      ^12           three documents; slices may start at 6 and 12

Memory is about the size of a block or of the longest document, whichever is larger.

This module does not depend on formats or turn lines into paragraphs; readers do.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.decoding import BOM, RawDocument, is_one_piece, open_text
from wpprep.errors import CorpusError
from wpprep.records import Slice
from wpprep.storage.files import open_bytes, read_block

Boundaries = Callable[[bytes], Iterator[re.Match[bytes]]]

LONGEST = 1 << 27  # maximum bytes of a document: more than any book; a file read in the wrong format exceeds it
_BLOCK = 1 << 20  # larger blocks exceed the processor's cache and are not faster
_WINDOW = 1 << 16
_OVERLAP = 64  # maximum bytes of a boundary that is split between two blocks
_NOT_PLAIN_TEXT = re.compile(rb'\s*(?:<[A-Za-z!?]|\{\s*"|\[\s*[{"]|%PDF|\{\\rtf|PAR1|ARROW1)')


def cut(
    path: str, format: str, target_bytes: int, boundaries: Boundaries, options: CorpusOptions
) -> list[Slice]:
    """Return slices of at least ``target_bytes`` that end at boundaries.

    A file that is compressed or not UTF-8 is one slice.

    Raises:
        MissingInputError: the file cannot be opened.
    """
    if is_one_piece(path, options):
        return [Slice(path, format, 0, -1)]
    slices = []
    with open_bytes(path) as file:
        size = file.seek(0, os.SEEK_END)
        start = 0
        while start < size:
            stop = _next_boundary(file, start + target_bytes, boundaries) or size
            slices.append(Slice(path, format, start, stop))
            start = stop
    return slices


def _next_boundary(file: IO[bytes], position: int, boundaries: Boundaries) -> int | None:
    """Return the end of the first boundary that begins at or after a position; None if there is none."""
    file.seek(position)
    window = b""
    while len(window) < LONGEST and (more := file.read(max(_WINDOW, len(window)))):
        window += more  # doubling keeps the total time linear
        if found := next(boundaries(window), None):
            return position + found.end()
    return None


def raw_documents(slice_: Slice, boundaries: Boundaries, options: CorpusOptions) -> Iterator[RawDocument]:
    """Yield the documents of a slice that are not blank, undecoded, each with the boundary that ends it.

    A document longer than `LONGEST` is not held in memory; it has a problem instead of bytes.

    Raises:
        CorpusError: the compressed data is damaged or truncated, or the file is shorter than when it was cut.
    """
    stop = slice_.stop if slice_.stop >= 0 else sys.maxsize
    position, tail, too_long = slice_.start, b"", False
    with open_text(slice_.path, options, slice_.stop) as file:
        if position:
            file.seek(position)
        while wanted := min(_step(len(tail)), stop - position - len(tail)):
            if not (more := read_block(file, slice_.path, wanted)):
                break
            block, end = tail + more, 0
            for boundary in boundaries(block):
                if not too_long:
                    yield from _unless_blank(slice_, position + end, block[end : boundary.end()])
                end, too_long = boundary.end(), False
            position, tail = position + end, block[end:]
            if len(tail) > LONGEST and not too_long:
                too_long = True
                yield _too_long(slice_, position)
            if too_long:  # skip the rest of the document; a boundary may begin in the overlap
                position, tail = position + len(tail[:-_OVERLAP]), tail[-_OVERLAP:]
    if position + len(tail) < stop < sys.maxsize:
        raise CorpusError(
            f"{slice_.path}: ends at byte {position + len(tail)}; it was longer when the run began"
        )
    if not too_long:
        yield from _unless_blank(slice_, position, tail)


def _step(held: int) -> int:
    """Return how many bytes to append to ``held`` bytes of a document: as many again, up to `LONGEST` + 1."""
    return max(_BLOCK, min(held, LONGEST + 1 - held))


def _unless_blank(slice_: Slice, start: int, data: bytes) -> Iterator[RawDocument]:
    if len(data) > LONGEST:
        yield _too_long(slice_, start)
        return
    text = (data.removeprefix(BOM) if start == 0 else data).lstrip()
    if text:
        yield RawDocument(start + len(data) - len(text), text)


def _too_long(slice_: Slice, start: int) -> RawDocument:
    problem = (
        f"no document ends in the {LONGEST >> 20} MiB from byte {start} on, read as {slice_.format}; "
        "expected shorter documents; choose another --format"
    )
    return RawDocument(start, b"", problem)


def tidy_lines(text: str) -> str:
    """Return the text without blank lines and without white space around its lines.

    Lines end only at ``\\n``; str.splitlines() would also cut at U+2028, U+0085 and others.

        >>> tidy_lines(" One.\\r\\n\\r\\n Two.\\u2028Still two. ")
        'One.\\nTwo.\\u2028Still two.'
    """
    return "\n".join(filter(None, map(str.strip, text.split("\n"))))


def is_text(head: bytes) -> bool:
    """Return whether a file that begins so is plain text: not binary, another encoding, markup or JSON.

    >>> is_text("Café.".encode()), is_text("Café.".encode("utf-16")), is_text(b'{"id": 1}')
    (True, False, False)
    """
    text = head.decode(errors="replace")
    mostly_decodable = 10 * text.count("\ufffd") <= len(text)
    return b"\0" not in head and mostly_decodable and not _NOT_PLAIN_TEXT.match(head)
