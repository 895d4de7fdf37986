"""Decoding of text files: any encoding to UTF-8 bytes, and UTF-8 bytes to text.

A file is UTF-8, or has the encoding of its byte order mark (UTF-16, UTF-32) or of ``--encoding``. Other
encodings are converted to UTF-8 block by block while the file is read, so readers only see UTF-8, and their
offsets are those of the decompressed UTF-8. Text contains no NUL and no lone surrogates: like invalid bytes,
they are errors, or with ``--errors replace`` become U+FFFD and are counted.

This module does not guess encodings.
"""

from __future__ import annotations

import codecs
import functools
import io
import os
import re
from types import TracebackType
from typing import IO, NamedTuple, Self

from wpprep.config import CorpusOptions
from wpprep.errors import CorpusError, TextDecodeError
from wpprep.storage.files import is_compressed, open_bytes, read_block
from wpprep.storage.remote import is_url

BOM = codecs.BOM_UTF8
_BOMS = {  # UTF-32 first: its byte order mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLOCK = 1 << 20
_HEAD = 1 << 16
_INVALID = b"\xff"  # replaces what is invalid in another encoding; never a byte of UTF-8
_UNFIT = re.compile("[\0\ud800-\udfff]")


class RawDocument(NamedTuple):
    """An undecoded document.

    Attributes:
        start: byte offset of ``data`` in the decompressed UTF-8 text.
        data: the bytes.
        problem: the error message of a document that could not be read; empty otherwise.
    """

    start: int
    data: bytes
    problem: str = ""


def other_encoding(path: str | os.PathLike[str], encoding: str) -> str | None:
    """Return the encoding of a file, None for UTF-8.

    ``encoding`` is the option; with ``auto``, the byte order mark decides.
    """
    if encoding != "auto":
        return None if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") else encoding
    head = _first_bytes(path)
    return next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)


def is_one_piece(path: str | os.PathLike[str], options: CorpusOptions) -> bool:
    """Return whether a file can only be read from its start, because it is compressed or not UTF-8."""
    return is_compressed(path) or other_encoding(path, options.encoding) is not None


def open_text(path: str | os.PathLike[str], options: CorpusOptions, until: int = -1) -> IO[bytes]:
    """Open a text file for reading as UTF-8 bytes, decompressed; ``until`` is passed to `open_bytes`."""
    encoding = other_encoding(path, options.encoding)
    file = open_bytes(path, until)
    return Transcoder(file, path, encoding, options.errors) if encoding else file  # type: ignore[return-value]


def read_head(path: str | os.PathLike[str], options: CorpusOptions) -> bytes:
    """Return the first lines of a text file as UTF-8, at most 64 KiB, from which its format is detected."""
    head, encoding = _first_bytes(path), other_encoding(path, options.encoding)
    if encoding:
        head = Transcoder(io.BytesIO(head), path, encoding, "replace").read(_HEAD)
    head = head.removeprefix(BOM)
    return head[: head.rfind(b"\n") + 1] or head


def forget_heads() -> None:
    """Clear the cache of first bytes of files.

    A run begins with it, because a file changed within a tick of the file system's clock is not noticed.
    """
    _remembered.cache_clear()


def _first_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the first 64 KiB of a file, decompressed; cached, since bzip2 decompresses 900 KB for them."""
    if is_url(path):
        return _read_first(path)
    try:
        about = os.stat(path)
    except OSError:
        return _read_first(path)  # raises the error
    return _remembered(os.fspath(path), about.st_ino, about.st_size, about.st_mtime_ns)


@functools.lru_cache(16)
def _remembered(path: str, *_version: int) -> bytes:
    return _read_first(path)


def _read_first(path: str | os.PathLike[str]) -> bytes:
    with open_bytes(path) as file:
        return read_block(file, path, _HEAD)


class Transcoder:
    """A binary file in any encoding, read as UTF-8.

    Invalid bytes raise TextDecodeError or, with the errors ``replace``, become a byte that is invalid in UTF-8
    too, which `decode` replaces and counts.
    """

    def __init__(self, file: IO[bytes], path: str | os.PathLike[str], encoding: str, errors: str) -> None:
        """Wrap an open file; ``path`` is for messages, ``errors`` is ``strict`` or ``replace``."""
        self._file, self._path, self._encoding, self._strict = file, path, encoding, errors == "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._position, self._ready = 0, b""

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes of UTF-8, fewer only at the end of the file.

        Raises:
            TextDecodeError: the bytes are not valid in the encoding, and the errors are ``strict``.
            CorpusError: the compressed data is damaged.
        """
        pieces, length = [self._ready], len(self._ready)
        while length < size and (block := self._next_block()):
            pieces.append(block)
            length += len(block)
        whole = b"".join(pieces)
        self._ready = whole[size:]
        return whole[:size]

    def _next_block(self) -> bytes:
        """Return some more UTF-8 bytes; none at the end of the file."""
        text = ""
        while not text:
            block = read_block(self._file, self._path, _BLOCK)
            held_back = len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = self._position - held_back + error.start
                raise TextDecodeError(
                    f"{self._path}: invalid {self._encoding} at byte {place} "
                    f"(found 0x{error.object[error.start]:02X}); use --errors replace to continue"
                ) from error
            self._position += len(block)
            if not block:
                break
        data = text.encode(errors="replace")
        return data if self._strict else data.replace("\ufffd".encode(), _INVALID)

    def close(self) -> None:
        """Close the wrapped file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the wrapped file."""
        self.close()


def decode(raw: RawDocument, path: str, errors: str) -> tuple[str, int]:
    """Return the text of a document, and the number of NULs and invalid byte sequences that became U+FFFD.

        >>> decode(RawDocument(0, b"caf\\xe9 \\xef\\xbf\\xbd"), "a.txt", "replace")
        ('caf\ufffd \ufffd', 1)

    Raises:
        TextDecodeError: the bytes are not UTF-8 and ``errors`` is ``strict``.
        CorpusError: the text contains NUL and ``errors`` is ``strict``, or the document has a problem.
    """
    if raw.problem:
        raise CorpusError(f"{path}: {raw.problem}")
    try:
        text = raw.data.decode()
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise TextDecodeError(
                f"{path}: invalid UTF-8 at byte {raw.start + error.start} "
                f"(found 0x{raw.data[error.start]:02X}); use --errors replace to continue"
            ) from error
        text = raw.data.decode(errors="replace").replace("\0", "\ufffd")
        return text, text.count("\ufffd") - raw.data.count("\ufffd".encode())
    if "\0" in text:
        return clean(text, f"{path}: byte {raw.start + raw.data.index(0)}", errors)
    return text, 0


def clean(text: str, place: str, errors: str) -> tuple[str, int]:
    """Return the text with NULs and lone surrogates replaced by U+FFFD, and their number.

        >>> clean("a\\0b", "a.jsonl: line 3", "replace")
        ('a\ufffdb', 1)

    Raises:
        CorpusError: the text contains one, and ``errors`` is ``strict``.
    """
    unfit = _UNFIT.search(text)
    if not unfit:
        return text, 0
    if errors == "strict":
        kind = "NUL" if unfit[0] == "\0" else f"lone surrogate U+{ord(unfit[0]):04X}"
        raise CorpusError(f"{place}: found a {kind}, expected text; use --errors replace to continue")
    return _UNFIT.subn("\ufffd", text)
