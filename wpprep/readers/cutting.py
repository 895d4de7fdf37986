"""Cutting files where documents end: what all readers of text share.

A reader says where documents end with a function that finds boundaries in bytes. A boundary belongs
to the document before it, and ends at the same byte wherever in the file the search for it began. So
a file may be cut at any boundary, and its documents and their offsets are the same for every slice
size.

    b"One.\\n\\nTwo.\\n\\nThree."      with boundaries rb"\\n\\s*\\n":
      ^0      ^6      ^12           three documents; slices may start at 6 and 12

Memory stays near the size of a block or of the longest document, whichever is larger.

What this module does not do: know formats, or make lines into paragraphs (the readers).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from wpprep.errors import TextDecodeError
from wpprep.files import is_compressed, open_bytes, read_block, read_bytes
from wpprep.records import Slice

Boundaries = Callable[[bytes], Iterator[re.Match[bytes]]]

BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20  # larger blocks leave the processor's cache and are no faster
_WINDOW = 1 << 16
_HEAD = 1 << 16
_NOT_PLAIN_TEXT = re.compile(rb'\s*(?:<[A-Za-z!?]|\{\s*"|\[\s*[{"]|%PDF|\{\\rtf)')


class RawDocument(NamedTuple):
    """A document's bytes and the offset of the first of them in the decompressed file."""

    start: int
    data: bytes


def cut(path: str, format: str, target_bytes: int, boundaries: Boundaries) -> list[Slice]:
    """Slices of at least ``target_bytes`` that end at boundaries; a compressed file is one slice."""
    if is_compressed(path):
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
    """Where the first boundary that begins at or after a position ends; None if the file ends first."""
    file.seek(position)
    window = b""
    while more := file.read(max(_WINDOW, len(window))):  # twice as much each time: linear in all
        window += more
        if found := next(boundaries(window), None):
            return position + found.end()
    return None


def raw_documents(slice_: Slice, boundaries: Boundaries) -> Iterator[RawDocument]:
    """The documents of a slice that are not blank, undecoded, each with the boundary that ends it.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
    """
    stop = slice_.stop if slice_.stop >= 0 else sys.maxsize
    position, tail = slice_.start, b""
    with open_bytes(slice_.path) as file:
        file.seek(position)
        while more := read_block(file, slice_.path, min(max(_BLOCK, len(tail)), stop - position - len(tail))):
            block, end = tail + more, 0
            for boundary in boundaries(block):
                yield from _unless_blank(position + end, block[end : boundary.end()])
                end = boundary.end()
            position, tail = position + end, block[end:]
    yield from _unless_blank(position, tail)


def _unless_blank(start: int, data: bytes) -> Iterator[RawDocument]:
    text = (data.removeprefix(BOM) if start == 0 else data).lstrip()
    if text:
        yield RawDocument(start + len(data) - len(text), text)


def decode(raw: RawDocument, path: str, errors: str) -> tuple[str, int]:
    """The text of a document and how many invalid byte sequences became U+FFFD.

        >>> decode(RawDocument(0, b"caf\\xe9 \\xef\\xbf\\xbd"), "a.txt", "replace")
        ('caf\ufffd \ufffd', 1)

    Raises:
        TextDecodeError: the bytes are not UTF-8 and ``errors`` is ``strict``.
    """
    try:
        return raw.data.decode(), 0
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise TextDecodeError(
                f"{path}: invalid UTF-8 at byte {raw.start + error.start} "
                f"(found 0x{raw.data[error.start]:02X}); use --errors replace to go on"
            ) from error
    text = raw.data.decode(errors="replace")
    return text, text.count("\ufffd") - raw.data.count("\ufffd".encode())


def tidy_lines(text: str) -> str:
    """The text without blank lines and without blanks around its lines.

    Lines end at ``\\n`` alone: str.splitlines() would also cut at U+2028, U+0085 and more.

        >>> tidy_lines(" One.\\r\\n\\r\\n Two.\\u2028Still two. ")
        'One.\\nTwo.\\u2028Still two.'
    """
    return "\n".join(filter(None, map(str.strip, text.split("\n"))))


def read_head(path: str) -> bytes:
    """The first lines of a decompressed file, 64 KB or less, from which its format is told."""
    head = read_bytes(path, 0, _HEAD).removeprefix(BOM)
    return head[: head.rfind(b"\n") + 1] or head


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is plain text: not binary, in another encoding, markup or JSON.

    >>> is_text("Café.".encode()), is_text("Café.".encode("utf-16")), is_text(b'{"id": 1}')
    (True, False, False)
    """
    text = head.decode(errors="replace")
    mostly_decodable = 10 * text.count("\ufffd") <= len(text)
    return b"\0" not in head and mostly_decodable and not _NOT_PLAIN_TEXT.match(head)
