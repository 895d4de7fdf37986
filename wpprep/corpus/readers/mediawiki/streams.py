"""Concatenated bzip2 streams (MediaWiki's multistream dumps, pbzip2), found and read separately.

Every stream begins with the same ten bytes (``BZh``, the block size, and the block magic number), so reading
can start in the middle of a file, and continue after a damaged stream. The ten bytes may also occur by chance
within a stream, about once in 2**76 bytes.

This module does not use the index file of a multistream dump.
"""

from __future__ import annotations

import bz2
import os
import re
from collections.abc import Generator, Iterator
from typing import IO, NamedTuple

from wpprep.storage.files import open_raw

_BEGINS = re.compile(rb"BZh[1-9]1AY&SY")
_OVERLAP = 9  # maximum number of those ten bytes that end the block before
_BLOCK = 1 << 20


class Block(NamedTuple):
    """A block of text of one stream.

    Attributes:
        begin: offset of the stream in the compressed file.
        data: decompressed bytes.
        problem: error message of a damaged stream; empty otherwise.
    """

    begin: int
    data: bytes
    problem: str = ""


def stream_starts(path: str | os.PathLike[str], distance: int) -> list[int]:
    """Return the offsets of the first stream and of others, at least ``distance`` compressed bytes apart."""
    starts = [0]
    with open_raw(path) as file:
        while (start := _next_stream(file, starts[-1] + distance)) is not None:
            starts.append(start)
    return starts


def read_streams(path: str | os.PathLike[str], start: int, until: int = -1) -> Iterator[Block]:
    """Yield the text of all streams from offset ``start`` on; after a damaged one, continue with the next.

    Of a remote file, bytes after offset ``until`` are fetched only if the caller reads that far.
    """
    with open_raw(path, until) as file:
        position: int | None = start
        while position is not None:
            stream_end = yield from _read_stream(file, position)
            if stream_end is None:
                position = _next_stream(file, position + 1)
            else:
                position = stream_end if stream_end < file.seek(0, os.SEEK_END) else None


def _read_stream(file: IO[bytes], begin: int) -> Generator[Block, None, int | None]:
    """Yield the text of one stream; return the offset where it ends, or None if it is damaged."""
    stream = bz2.BZ2Decompressor()
    file.seek(begin)
    fed = b""
    while not stream.eof:
        if stream.needs_input and not (fed := file.read(_BLOCK)):
            yield Block(begin, b"", f"damaged compressed data: the bzip2 stream at byte {begin} has no end")
            return None
        try:
            block = stream.decompress(fed, _BLOCK)
        except OSError as error:
            yield Block(begin, b"", f"damaged compressed data: the bzip2 stream at byte {begin}: {error}")
            return None
        fed = b""
        if block:
            yield Block(begin, block)
    return file.tell() - len(stream.unused_data)


def _next_stream(file: IO[bytes], position: int) -> int | None:
    """Return the offset of the first stream that begins at or after a position; None if there is none."""
    file.seek(position)
    window = b""
    while more := file.read(_BLOCK):
        window = window[-_OVERLAP:] + more
        if found := _BEGINS.search(window):
            return file.tell() - len(window) + found.start()
    return None
