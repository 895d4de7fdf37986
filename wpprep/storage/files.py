"""Files: decompress while reading, write atomically, remove folders as a whole.

    with atomic_write("out/vocab.txt") as file:   # a temporary name in the same folder
        file.write(b"...")                        # fsync and rename at the end of the block

Files to read may be paths or URLs (`wpprep.storage.remote`); files to write are local.

What this module does not do: find inputs (`wpprep.corpus.inputs`), parse text (`wpprep.corpus.readers`), or
interpret folders (`wpprep.storage.manifest`).
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gc
import glob
import gzip
import hashlib
import io
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

from wpprep.errors import CorpusError, MissingInputError, OutputError, ReadError, WpprepError
from wpprep.storage.cache import fetch_file
from wpprep.storage.ranges import open_remote, serves_ranges
from wpprep.storage.remote import is_url, remote_size

MANIFEST = "manifest.json"
METRICS = "metrics.jsonl"  # the log in the folder of a training run
UNFINISHED = (
    ".unfinished"  # subfolder of an output folder while a run is at work in it: plan, lock and receipts
)
HOLDOUT = "holdout"  # subfolder of a shard folder: the documents held out
_TEMPORARY = ".partial"
# Errors of an input that stay until the user changes something; others may pass.
_LASTING = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM
}  # fmt: skip
_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_TRIES = 3  # attempts to remove a folder in which files are still open
_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9]"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # pzstd begins with a skippable frame
}

_log = logging.getLogger(__name__)


def compression(path: str | os.PathLike[str]) -> str | None:
    """Return the compression that a file's first bytes show: ``gzip``, ``bz2``, ``xz``, ``zstd``, or None.

    Raises:
        MissingInputError: the file does not exist or may not be read.
        ReadError: the system cannot read it now.
    """
    with open_raw(path) as file:
        head = file.read(6)
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Return whether `open_bytes` decompresses the file."""
    return compression(path) is not None


def open_bytes(path: str | os.PathLike[str], until: int = -1) -> IO[bytes]:
    """Open a file for reading, decompressed if its first bytes are those of gzip, bzip2, xz or zstd.

    zstd streams cannot seek.

    Args:
        path: a path or a URL.
        until: for an uncompressed remote file, the position up to which it will be read, so that it may be read
            ahead; -1: unknown.

    Raises:
        MissingInputError: the file does not exist or may not be read.
        ReadError: the system cannot read it now; also raised by every later read of the file.
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
    """Open a file for reading without decompressing it; ``until`` as in `open_bytes`.

    Raises:
        MissingInputError: the file does not exist or may not be read.
        ReadError: the system cannot read it now; also raised by every later read of the file.
    """
    if is_url(path):
        url = os.fspath(path)
        return open_remote(url, until) if serves_ranges(url) else _open_local(fetch_file(url))
    return _open_local(path)


def _open_local(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return io.BufferedReader(_Source(os.fspath(path)))
    except OSError as error:
        raise read_error(path, error) from error


class _Source(io.FileIO):
    """A local file whose errors of reading name it, so that no caller takes them for damage or its own."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer and return the number of bytes, 0 at the end of the file."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise read_error(cast(str, self.name), error) from error

    def readall(self) -> bytes | None:  # type: ignore[override]
        """Return all bytes up to the end of the file."""
        try:
            return super().readall()
        except OSError as error:
            raise read_error(cast(str, self.name), error) from error


def read_error(path: str | os.PathLike[str], error: OSError) -> MissingInputError | ReadError:
    """Return the exception for an input that the system refuses to open or read.

    >>> read_error("a.txt", FileNotFoundError(errno.ENOENT, "No such file or directory"))
    MissingInputError('a.txt: cannot be opened: No such file or directory')
    >>> read_error("a.txt", OSError(errno.EMFILE, "Too many open files"))
    ReadError('a.txt: cannot be read: Too many open files; raise the limit (ulimit -n)')
    """
    said = os.strerror(error.errno) if error.errno else error.strerror or str(error)
    if error.errno in _LASTING:
        return MissingInputError(f"{path}: cannot be opened: {said}")
    too_many = error.errno in (errno.EMFILE, errno.ENFILE)
    advice = "raise the limit (ulimit -n)" if too_many else "run the command again when it can be read"
    return ReadError(f"{path}: cannot be read: {said}; {advice}")


def size_of(path: str | os.PathLike[str]) -> int:
    """Return the size of a file in bytes, without decompressing it.

    Raises:
        MissingInputError: the file does not exist.
        RemoteError: the server does not give the size.
    """
    if is_url(path):
        return remote_size(os.fspath(path))
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise read_error(path, error) from error


def read_bytes(path: str | os.PathLike[str], start: int = 0, stop: int = -1) -> bytes:
    """Return bytes ``start`` to ``stop`` (-1: to the end) of a file, counted after decompression.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
        MissingInputError: the file does not exist or may not be read.
        ReadError: the system cannot read it now.
    """
    with open_bytes(path) as file:
        if start:
            with refusing_damage(path):
                file.seek(start)
        return read_block(file, path, -1 if stop < 0 else stop - start)


def read_block(file: IO[bytes], path: str | os.PathLike[str], size: int) -> bytes:
    """Return the next ``size`` bytes (-1: all) of a file from `open_bytes`; fewer at its end.

    Raises:
        CorpusError: the compressed data is damaged or cut short.
        ReadError: the system cannot read the file now.
    """
    with refusing_damage(path):
        return file.read() if size < 0 else file.read(size)


@contextlib.contextmanager
def refusing_damage(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise the errors of decompressors in the block as CorpusError, and those of the system as they are.

    Only errors without a number are of decompressors: `open_raw` converts the others where they occur.
    """
    try:
        yield
    except WpprepError:
        raise
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno:
            raise read_error(path, error) from error
        raise CorpusError(f"{path}: damaged compressed data: {error}") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that gets its final name only if the block ends without an exception.

    Raises:
        OutputError: the file cannot be written; an earlier file of the name is unchanged.
        MissingInputError, ReadError: another file cannot be opened in the block.
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
    except WpprepError:  # MissingInputError is an OSError too, but concerns another file
        raise
    except OSError as error:
        own = {str(partial), str(final), str(final.parent)}
        other = None if error.filename is None or os.fsdecode(error.filename) in own else error.filename
        if other is not None and error.errno not in _OF_WRITING:
            raise read_error(os.fsdecode(other), error) from error
        name = final if other is None else os.fsdecode(other)
        raise OutputError(f"{name}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable; does nothing on Windows, where folders cannot be opened."""
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
    """Return the sha256 of a file's bytes, in hexadecimal; the file is not decompressed."""
    with open_raw(path) if is_url(path) else open(path, "rb") as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove temporary files and folders of killed runs, in a folder and all its subfolders.

    Raises:
        OutputError: one of them cannot be removed.
    """
    for path in list(folder.rglob(f".*{_TEMPORARY}-*")):
        remove_aside(path)


def remove_remains(folder: Path) -> None:
    """Remove renamed folders that killed `remove_folder` calls left beside a folder.

    A folder of such a name is only ever removed, so it does no harm if another process, perhaps on another
    machine, is still removing it.
    """
    for path in folder.parent.glob(f"{glob.escape(f'.{folder.name}{_TEMPORARY}')}-*"):
        if path.is_dir():
            remove_aside(path)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises:
        OutputError: it cannot be created, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def remove_folder(folder: Path) -> None:
    """Remove a folder and its contents, if it exists.

    It is renamed first, so that a killed run does not leave a part of it under its name. A folder that cannot
    be renamed (a link, a mounted volume, a folder whose parent cannot be written) is emptied instead.

    Raises:
        OutputError: a file or folder cannot be removed.
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
    """Rename a folder to a temporary name that `remove_partial` and `remove_remains` find; return that path."""
    partial = folder.with_name(f".{folder.name}{_TEMPORARY}-{os.getpid()}-{uuid4().hex[:8]}")
    os.replace(folder, partial)
    return partial


def _empty(folder: Path) -> None:
    """Remove the contents of a folder: the manifest first, ``.unfinished`` last."""
    make_folder(folder / UNFINISHED)  # after a kill here, the folder is still recognised as an output of wpprep
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be emptied: {error.strerror}") from error
    for path in sorted(folder.iterdir(), key=lambda path: path.name == UNFINISHED):
        remove_aside(path)


def remove_aside(path: Path) -> None:
    """Remove a file, a link or a folder with its contents; another process may be removing it at the same time.

    On NFS and FUSE a file that is still open keeps a name in its folder until it is closed; such a folder is
    left, with a warning, to the next run.

    Raises:
        OutputError: a file or folder cannot be removed.
    """
    tries = 0
    while path.is_symlink() or path.exists():
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            pass  # removed by another process
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EBUSY}:
                raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from error
            tries += 1
            if tries == _TRIES:
                _log.warning("%s: a file in it is still open; the next run removes it", path)
                return
            gc.collect()  # closes memory-mapped files that are no longer referenced
