"""Encoding as a filter: lines in, ids out, as soon as lines are there.

Lines end at ``\\n`` alone, as everywhere in wpprep: U+2028 or a form feed inside a line stay inside it. From
the bytes of a file to ids there is no string in between, which makes this the fastest way to encode one:

    with open("corpus.txt", "rb") as file:
        for rows in encoded_lines(encoder, file): ...
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from wpprep.config import RunOptions
from wpprep.errors import TextDecodeError
from wpprep.records import Ints, Tokens, in_batches
from wpprep.tokenizer.encoder import Encoder

_BLOCK = 1 << 20


def encoded_lines(encoder: Encoder, stream: IO[bytes], separator: bytes = b"\n") -> Iterator[list[Tokens]]:
    """The ids of every line of a stream, in batches of the lines that have arrived.

    Args:
        encoder: gives the ids.
        stream: UTF-8; read as it comes, so that a person at a terminal gets an answer to each line.
        separator: what lines end at, in ASCII; it belongs to none.

    Raises:
        TextDecodeError: a line is not UTF-8; names the byte.
    """
    read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
    tail, offset = b"", 0
    while block := read(_BLOCK):
        data = tail + block
        used = data.rfind(separator) + len(separator)
        if used >= len(separator):
            yield _encoded(encoder, data, _ends_of_lines(data, separator), len(separator), offset)
            tail, offset = data[used:], offset + used
        else:
            tail = data
    if tail:
        yield _encoded(encoder, tail, np.array([len(tail)]), 0, offset)


def tokenize(
    vocab: str | os.PathLike[str],
    lines: Iterable[str],
    *,
    ids: bool = False,
    cache_memory: int = RunOptions.cache_memory,
) -> Iterator[list[str] | list[int]]:
    """Yield the pieces of every line, or their ids.

    Args:
        vocab: a vocabulary folder or file that `Vocabulary.from_folder` reads.
        lines: the texts; a line feed inside one is text.
        ids: yield ids in place of pieces.
        cache_memory: bytes in which the ids of frequent words are kept.

    Raises:
        MissingInputError: there is no vocabulary.
        VocabularyError: it cannot be read.
    """
    encoder = Encoder.from_folder(vocab, cache_memory)
    for batch in in_batches(lines, len, _BLOCK):
        for row in encoder.encode_batch(batch):
            yield row.tolist() if ids else [encoder.vocabulary.pieces[i] for i in row]


def _ends_of_lines(data: bytes, separator: bytes) -> Ints:
    if len(separator) == 1:
        return np.flatnonzero(np.frombuffer(data, np.uint8) == separator[0])
    return np.array([match.start() for match in re.finditer(re.escape(separator), data)], np.int64)


def _encoded(encoder: Encoder, data: bytes, ends: Ints, gap: int, offset: int) -> list[Tokens]:
    """The ids of lines; ``offset`` is where the first one starts in the stream."""
    begins = np.concatenate([[0], ends[:-1] + gap])
    try:
        return encoder.encode_utf8(np.frombuffer(data, np.uint8), begins, ends)
    except UnicodeDecodeError as error:
        raise TextDecodeError(
            f"standard input: invalid UTF-8 at byte {offset + error.start} (found 0x{data[error.start]:02X})"
        ) from error
