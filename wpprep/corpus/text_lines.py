"""The lines of a UTF-8 text file with their numbers, which error messages refer to.

Labelled examples and texts to embed are read with it. It does not read corpora (`wpprep.corpus.readers`).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from wpprep.errors import CorpusError, MissingInputError, TextDecodeError
from wpprep.storage.files import open_bytes


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file, plain or compressed, each with its number, counted from 1.

    Lines end at ``\\n`` or ``\\r\\n``, which are removed, as is a byte order mark.

    Raises:
        MissingInputError: the file does not exist.
        TextDecodeError: a line is not UTF-8; the message has the file and line.
        CorpusError: the compressed data is damaged.
    """
    if not Path(path).is_file():
        raise MissingInputError(f"{path}: no such file")
    with open_bytes(path) as file:
        try:
            for number, line in enumerate(file, 1):
                text = decode(line, f"{path}:{number}").removesuffix("\n").removesuffix("\r")
                yield number, text.removeprefix("\ufeff") if number == 1 else text
        except (EOFError, OSError, zlib.error) as error:
            raise CorpusError(f"{path}: damaged compressed data: {error}") from error


def decode(data: bytes, place: str) -> str:
    """Return UTF-8 bytes as text; ``place`` is where they come from, for the error message.

    Raises:
        TextDecodeError: the bytes are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TextDecodeError(
            f"{place}: invalid UTF-8 at byte {error.start}; convert the file first"
        ) from error
