"""Encoding line by line, of a byte stream as its lines arrive, or of strings.

Lines end only at ``\\n``, as everywhere in wpprep: U+2028 or a form feed does not end a line. The bytes are
encoded without creating strings, which makes this the fastest way to encode a file:

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
from wpprep.errors import CorpusError, TextDecodeError
from wpprep.records import Ints, Tokens, in_batches
from wpprep.tokenizer.encoder import Encoder

LONGEST = 1 << 27  # maximum bytes of a line, that of a document (`wpprep.corpus.readers.cutting`)
_BLOCK = 1 << 20


def encoded_lines(encoder: Encoder, stream: IO[bytes], separator: bytes = b"\n") -> Iterator[list[Tokens]]:
    """Yield the ids of the lines of a stream, in batches of the lines that have arrived.

    Args:
        encoder: encoder of the lines.
        stream: UTF-8 bytes, read without waiting for a full block: lines typed at a terminal are encoded one by
            one.
        separator: ASCII bytes that end a line; not part of any line.

    Yields:
        One 1-D array of ``encoder.dtype`` per line.

    Raises:
        TextDecodeError: a line is not UTF-8; the message names the byte offset in the stream.
        CorpusError: a line is longer than `LONGEST`.
    """
    read = stream.read1 if isinstance(stream, io.BufferedReader) else stream.read
    begun, offset, gap = bytearray(), 0, len(separator)  # appending takes linear time, however long a line is
    while block := read(_BLOCK):
        searched = max(0, len(begun) - gap + 1)
        begun += block
        used = begun.rfind(separator, searched) + gap
        if used >= gap:
            data = bytes(begun)
            yield _encoded(encoder, data, _ends_of_lines(data, separator), gap, offset)
            begun, offset = bytearray(data[used:]), offset + used
        if len(begun) > LONGEST:
            raise CorpusError(
                f"standard input: no line ends in the {LONGEST >> 20} MiB from byte {offset} on; "
                "expected lines of text; split the line first"
            )
    if begun:
        yield _encoded(encoder, bytes(begun), np.array([len(begun)]), 0, offset)


def tokenize(
    vocab: str | os.PathLike[str],
    lines: Iterable[str],
    *,
    ids: bool = False,
    cache_memory: int = RunOptions.cache_memory,
) -> Iterator[list[str] | list[int]]:
    """Yield the pieces of every line, or their ids.

    Args:
        vocab: a vocabulary folder or file (`Vocabulary.from_folder`).
        lines: the texts; a line feed inside one is part of the text.
        ids: yield ids instead of pieces.
        cache_memory: maximum number of bytes for chunks and their ids; does not affect the ids.

    Raises:
        MissingInputError: the vocabulary does not exist.
        VocabularyError: it is not a vocabulary, or a damaged one.
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
    """Return the ids of lines; ``offset`` is the position of the first one in the stream."""
    begins = np.concatenate([[0], ends[:-1] + gap])
    try:
        return encoder.encode_utf8(np.frombuffer(data, np.uint8), begins, ends)
    except UnicodeDecodeError as error:
        raise TextDecodeError(
            f"standard input: invalid UTF-8 at byte {offset + error.start} (found 0x{data[error.start]:02X})"
        ) from error
