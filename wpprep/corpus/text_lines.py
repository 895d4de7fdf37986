"""The lines of a UTF-8 text file with their numbers, which error messages refer to.

Labelled examples and texts to embed are read with it. It does not read corpora (`wpprep.corpus.readers`).
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from typing import cast

from wpprep.corpus.readers.cutting import LONGEST
from wpprep.errors import CorpusError, MissingInputError, TextDecodeError
from wpprep.storage.files import open_bytes, read_error, refusing_damage
from wpprep.storage.remote import is_url


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file, plain or compressed, each with its number, counted from 1.

    Lines end at ``\\n`` or ``\\r\\n``, which are removed, as is a byte order mark.

    Raises:
        MissingInputError: the file does not exist or may not be read.
        ReadError: the system cannot read it now.
        TextDecodeError: a line is not UTF-8; the message has the file and line.
        CorpusError: the compressed data is damaged, or a line is longer than `cutting.LONGEST`.
    """
    _refuse_other_kinds(path)
    with open_bytes(path) as file, refusing_damage(path):
        # pyarrow's files, which read zstd, have no lines.
        lines = file if type(file) is io.BufferedReader else io.BufferedReader(cast(io.RawIOBase, file))
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST + 3), b""), 1):  # up to \r\n
            if len(line) > LONGEST + 2:
                raise CorpusError(f"{path}:{number}: longer than {LONGEST >> 20} MiB; expected a text per line")
            text = decode(line, f"{path}:{number}").removesuffix("\n").removesuffix("\r")
            yield number, text.removeprefix("\ufeff") if number == 1 else text


def _refuse_other_kinds(path: str | os.PathLike[str]) -> None:
    """Raise unless the path is that of a file: reading a pipe could wait forever."""
    if is_url(path):
        return
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except OSError as error:
        raise read_error(path, error) from error
    if not is_file:
        raise MissingInputError(f"{path}: no such file; found a folder or device")


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
