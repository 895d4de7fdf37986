"""Encoding as a filter: lines in, ids out, as soon as lines are there.

Lines end at ``\\n`` alone, as everywhere in wpprep: U+2028 or a form feed inside a line stay inside it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

from wpprep.encode.encoder import Encoder
from wpprep.errors import TextDecodeError
from wpprep.records import Tokens

_BLOCK = 1 << 20


def encoded_lines(encoder: Encoder, stream: IO[bytes]) -> Iterator[list[Tokens]]:
    """The ids of every line of a stream, in batches of the lines that have arrived.

    Args:
        encoder: gives the ids.
        stream: UTF-8; read as it comes, so that a person at a terminal gets an answer to each line.

    Raises:
        TextDecodeError: a line is not UTF-8; names the byte.
    """
    read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
    tail, offset = b"", 0
    while block := read(_BLOCK):
        lines = (tail + block).split(b"\n")
        tail = lines.pop()
        if lines:
            yield encoder.encode_batch(_decoded(lines, offset))
            offset += sum(map(len, lines)) + len(lines)
    if tail:
        yield encoder.encode_batch(_decoded([tail], offset))


def _decoded(lines: list[bytes], offset: int) -> list[str]:
    """The lines as text; ``offset`` is where the first one starts in the stream."""
    try:
        return [line.decode() for line in lines]
    except UnicodeDecodeError:
        for line in lines:
            try:
                line.decode()
            except UnicodeDecodeError as error:
                place = offset + error.start
                raise TextDecodeError(
                    f"standard input: invalid UTF-8 at byte {place} (found 0x{line[error.start]:02X})"
                ) from error
            offset += len(line) + 1
        raise
