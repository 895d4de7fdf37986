"""Files: open compressed ones, write so that nothing half-made has a final name.

    with atomic_write("out/vocab.txt") as file:   # a temporary name in the same folder
        file.write(b"...")                        # fsync and rename at the end of the block

What is read may be a path or a URL (`wpprep.storage.remote`); the rest of the code need not know which. What this
module does not do: find files (inputs), look inside the text (readers), or know what a folder means (manifest).
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gc
import glob
import gzip
import hashlib
import logging
import lzma
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

from wpprep.errors import CorpusError, MissingInputError, OutputError, WpprepError
from wpprep.storage.cache import fetch_file
from wpprep.storage.ranges import open_remote, serves_ranges
from wpprep.storage.remote import is_url, remote_size

MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"  # the log in the folder of a training run
UNFINISHED = ".unfinished"  # the folder, inside one that a run is at work in, of its plan and receipts
HOLDOUT = "holdout"  # the folder, inside a shard folder, of the documents held out
_TEMPORARY = ".partial"
_TRIES = 3  # at removing a folder in which files are still open
_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9]"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # pzstd begins with a skippable frame
}

_log = logging.getLogger(__name__)


def compression(path: str | os.PathLike[str]) -> str | None:
    """How a file is compressed, told by its first bytes: ``gzip``, ``bz2``, ``xz``, ``zstd``, or None.

    Raises:
        MissingInputError: the file is not there or may not be read.
    """
    with open_raw(path) as file:
        head = file.read(6)
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether `open_bytes` would decompress the file."""
    return compression(path) is not None


def open_bytes(path: str | os.PathLike[str], until: int = -1) -> IO[bytes]:
    """The bytes of a file, decompressed if its first bytes say gzip, bzip2, xz or zstd.

    Of a plain remote file nothing behind ``until`` is fetched before it is asked for. Of zstd, the only way is
    on: what is open can be read but not sought in.

    Raises:
        MissingInputError: the file is not there or may not be read.
    """
    found = compression(path)
    file = open_raw(path, -1 if found else until)
    opened: Any = file
    if found == "gzip":
        opened = gzip.GzipFile(fileobj=file)
    elif found == "bz2":
        opened = bz2.BZ2File(file)
    elif found == "xz":
        opened = lzma.LZMAFile(file)
    elif found == "zstd":
        import pyarrow as pa  # noqa: PLC0415 (slow to load, and only zstd needs it here)

        opened = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    return opened  # type: ignore[no-any-return]


def open_raw(path: str | os.PathLike[str], until: int = -1) -> IO[bytes]:
    """The bytes of a file as they are; of a remote one, nothing behind ``until`` before it is asked for.

    Raises:
        MissingInputError: the file is not there or may not be read.
    """
    if is_url(path):
        url = os.fspath(path)
        return open_remote(url, until) if serves_ranges(url) else open(fetch_file(url), "rb")
    try:
        return open(path, "rb")
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be opened: {error.strerror}") from error


def size_of(path: str | os.PathLike[str]) -> int:
    """The size of a file in bytes, as it lies there.

    Raises:
        MissingInputError: the file is not there.
    """
    if is_url(path):
        return remote_size(os.fspath(path))
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be opened: {error.strerror}") from error


def read_bytes(path: str | os.PathLike[str], start: int = 0, stop: int = -1) -> bytes:
    """Bytes ``start`` to ``stop`` of a file (-1: to its end), decompressed.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
    """
    with open_bytes(path) as file:
        if start:
            file.seek(start)
        return read_block(file, path, -1 if stop < 0 else stop - start)


def read_block(file: IO[bytes], path: str | os.PathLike[str], size: int) -> bytes:
    """The next ``size`` bytes (-1: all) of a file from `open_bytes`; fewer at its end.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
    """
    try:
        return file.read() if size < 0 else file.read(size)
    except MissingInputError:
        raise  # a remote file that has gone meanwhile
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(f"{path}: damaged compressed data: {error}") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes its final name only when the block ends well.

    Raises:
        OutputError: the file cannot be written; nothing keeps the final name.
    """
    final = Path(path)
    partial = final.with_name(f".{final.name}{_TEMPORARY}-{os.getpid()}-{uuid4().hex[:8]}")
    try:
        with open(partial, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, final)
        sync_folder(final.parent)
    except WpprepError:  # an input that is missing is an OSError too, and not of this file
        raise
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
    with open_raw(path) if is_url(path) else open(path, "rb") as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove what killed runs left under temporary names, in a folder and all folders inside.

    Raises:
        OutputError: something cannot be removed.
    """
    for path in list(folder.rglob(f".*{_TEMPORARY}-*")):
        remove_aside(path)


def remove_remains(folder: Path) -> None:
    """Remove what killed `remove_folder` calls left beside a folder.

    What has such a name is being removed anyway, so it does no harm if its process, perhaps on another machine,
    is still at it.
    """
    for path in folder.parent.glob(f"{glob.escape(f'.{folder.name}{_TEMPORARY}')}-*"):
        if path.is_dir():
            remove_aside(path)


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
    """Remove a folder and all it holds, if it is there.

    It loses its name first: a run killed here leaves no half of it that could be taken for the whole. A folder that
    cannot be renamed (a link, a mounted volume, a folder whose parent cannot be written) is emptied instead.

    Raises:
        OutputError: something cannot be removed.
    """
    if not folder.exists():
        return
    aside = None
    if not folder.is_symlink():
        with contextlib.suppress(OSError):
            aside = set_aside(folder)
    if aside is not None:
        remove_aside(aside)
    else:
        _empty(folder)


def set_aside(folder: Path) -> Path:
    """Give a folder a temporary name, under which it is removed with all that killed runs left."""
    partial = folder.with_name(f".{folder.name}{_TEMPORARY}-{os.getpid()}-{uuid4().hex[:8]}")
    os.replace(folder, partial)
    return partial


def _empty(folder: Path) -> None:
    """Remove all that a folder holds: the manifest first, the mark of unfinished work last."""
    make_folder(folder / UNFINISHED)  # a run killed here leaves a folder that is still one of ours
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be emptied: {error.strerror}") from error
    for path in sorted(folder.iterdir(), key=lambda path: path.name == UNFINISHED):
        remove_aside(path)


def remove_aside(path: Path) -> None:
    """Remove a file, a link or a whole folder, although another process may be removing it at the same time.

    On NFS and FUSE a file that is still open somewhere keeps a name in its folder until it is closed; such a folder
    is left, with a warning, to the next run.

    Raises:
        OutputError: something cannot be removed.
    """
    tries = 0
    while path.is_symlink() or path.exists():
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            pass  # removed by the other process meanwhile
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EBUSY}:
                raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from error
            tries += 1
            if tries == _TRIES:
                _log.warning("%s: a file in it is still open; the next run removes it", path)
                return
            gc.collect()  # closes files that are mapped into memory and used no more
