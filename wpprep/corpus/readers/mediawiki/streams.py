"""bzip2 files of many streams, one after another (MediaWiki's multistream dumps, pbzip2): found and read apart.

Every stream begins with the same ten bytes, so that a file can be entered in its middle, and left to its
damage and entered again behind it.
"""

from __future__ import annotations

import bz2
import os
import re
from collections.abc import Generator, Iterator
from typing import IO, NamedTuple

from wpprep.storage.files import open_raw

_BEGINS = re.compile(rb"BZh[1-9]1AY&SY")
_OVERLAP = 9  # bytes of those ten that may lie in the block before
_BLOCK = 1 << 20


class Block(NamedTuple):
    """Some text of the stream that begins at ``begin``, or what is wrong with that stream."""

    begin: int
    data: bytes
    problem: str = ""


def stream_starts(path: str | os.PathLike[str], distance: int) -> list[int]:
    """Where streams begin, the first one and others at least ``distance`` compressed bytes apart."""
    starts = [0]
    with open_raw(path) as file:
        while (start := _next_stream(file, starts[-1] + distance)) is not None:
            starts.append(start)
    return starts


def read_streams(path: str | os.PathLike[str], start: int, until: int = -1) -> Iterator[Block]:
    """The text of all streams from a place on; behind a damaged one it goes on with the next.

    What lies behind ``until`` is fetched from remote only when it is asked for.
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
    """The text of one stream; returns where it ends, or None if it is damaged."""
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
    """Where the first stream begins at or after a position."""
    file.seek(position)
    window = b""
    while more := file.read(_BLOCK):
        window = window[-_OVERLAP:] + more
        if found := _BEGINS.search(window):
            return file.tell() - len(window) + found.start()
    return None
