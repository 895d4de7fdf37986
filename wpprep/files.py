"""Files: find the inputs, open compressed ones, write so that nothing half-made has a final name.

    with atomic_write("out/vocab.txt") as file:   # a temporary name in the same folder
        file.write(b"...")                        # fsync and rename at the end of the block

What this module does not do: look inside the text (readers), or know what a folder means (manifest).
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from wpprep.errors import CorpusError, MissingInputError, OutputError

MANIFEST = "manifest.json"
_TEMPORARY = ".partial"
_CHUNK = 1 << 20


def expand_inputs(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that the inputs name, folders replaced by all files in them, in path order.

    Hidden files and README files are left out of folders.

    Raises:
        MissingInputError: an input does not exist, or a folder holds no file.
    """
    files: list[Path] = []
    for entry in inputs:
        path = Path(entry)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not _is_left_out(file, path))
            if not inside:
                raise MissingInputError(f"{path}: the folder holds no files; expected a corpus")
            files.extend(inside)
        elif path.exists():
            files.append(path)
        else:
            raise MissingInputError(f"{path}: no such file or folder; expected a corpus file")
    return files


def _is_left_out(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return hidden or file.stem.upper() == "README"


def open_bytes(path: str | os.PathLike[str]) -> IO[bytes]:
    """The bytes of a file, decompressed if its first bytes say gzip, bzip2 or xz.

    Raises:
        MissingInputError: the file is not there or may not be read.
    """
    try:
        file = open(path, "rb")
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be opened: {error.strerror}") from error
    head = file.read(6)
    file.seek(0)
    opened: Any = file
    if head.startswith(b"\x1f\x8b"):
        opened = gzip.GzipFile(fileobj=file)
    elif head.startswith(b"BZh"):
        opened = bz2.BZ2File(file)
    elif head.startswith(b"\xfd7zXZ\x00"):
        opened = lzma.LZMAFile(file)
    return opened  # type: ignore[no-any-return]


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether `open_bytes` would decompress the file."""
    with open(path, "rb") as file:
        head = file.read(6)
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"))


def read_bytes(path: str | os.PathLike[str], start: int = 0, stop: int = -1) -> bytes:
    """Bytes ``start`` to ``stop`` of a file (-1: to its end), decompressed.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
    """
    with open_bytes(path) as file:
        file.seek(start)
        return read_block(file, path, -1 if stop < 0 else stop - start)


def read_block(file: IO[bytes], path: str | os.PathLike[str], size: int) -> bytes:
    """The next ``size`` bytes (-1: all) of a file from `open_bytes`; fewer at its end.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
    """
    try:
        return file.read(size)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(f"{path}: damaged compressed data: {error}") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes its final name only when the block ends well.

    Raises:
        OutputError: the file cannot be written; nothing keeps the final name.
    """
    final = Path(path)
    partial = final.with_name(f".{final.name}{_TEMPORARY}-{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, final)
        sync_folder(final.parent)
    except OSError as error:
        raise OutputError(f"{final}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (a no-op where folders cannot be opened, as on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 text file atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove what killed runs left behind under temporary names."""
    for file in folder.glob(f".*{_TEMPORARY}-*"):
        file.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        OutputError: it cannot be made, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def remove_folder(folder: Path) -> None:
    """Remove a folder and all it holds, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)
