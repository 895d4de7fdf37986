"""Text files line by line, with the numbers of the lines, for messages."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from wpprep.errors import CorpusError, MissingInputError, TextDecodeError
from wpprep.storage.files import open_bytes


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, plain or compressed, ended by ``\\n`` alone, each with its number from 1.

    Raises:
        MissingInputError: there is no such file.
        TextDecodeError: a line is not UTF-8; names file and line.
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
    """Bytes as text."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TextDecodeError(
            f"{place}: invalid UTF-8 at byte {error.start}; convert the file first"
        ) from error
