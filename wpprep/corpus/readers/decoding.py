"""From the bytes of a text file to UTF-8, and from those to text that every later stage can work with.

Files are UTF-8, or what their byte order mark says (UTF-16, UTF-32), or what ``--encoding`` says. What is
not UTF-8 becomes UTF-8 block by block when it is read; readers see nothing else, and their offsets are
those of the decompressed UTF-8. Text has no NUL and no lone surrogates: both are refused, or replaced
by U+FFFD and counted, as invalid bytes are.

What this module does not do: guess encodings.
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
_BOMS = {  # the longer ones first: that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLOCK = 1 << 20
_HEAD = 1 << 16
_INVALID = b"\xff"  # stands for what is invalid in another encoding: no byte of UTF-8
_UNFIT = re.compile("[\0\ud800-\udfff]")


class RawDocument(NamedTuple):
    """A document's bytes, the place of the first of them in the decompressed text, and what is wrong."""

    start: int
    data: bytes
    problem: str = ""


def other_encoding(path: str | os.PathLike[str], encoding: str) -> str | None:
    """The encoding of a file that is not UTF-8: what the option says, or with ``auto`` the byte order mark."""
    if encoding != "auto":
        return None if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig") else encoding
    head = _first_bytes(path)
    return next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)


def is_one_piece(path: str | os.PathLike[str], options: CorpusOptions) -> bool:
    """Whether a file can only be read from its beginning: it is compressed or not UTF-8."""
    return is_compressed(path) or other_encoding(path, options.encoding) is not None


def open_text(path: str | os.PathLike[str], options: CorpusOptions, until: int = -1) -> IO[bytes]:
    """The UTF-8 bytes of a text file, decompressed; ``until`` is `open_bytes`'s."""
    encoding = other_encoding(path, options.encoding)
    file = open_bytes(path, until)
    return Transcoder(file, path, encoding, options.errors) if encoding else file  # type: ignore[return-value]


def read_head(path: str | os.PathLike[str], options: CorpusOptions) -> bytes:
    """The first lines of a text file, 64 KB or less, from which its format is told."""
    head, encoding = _first_bytes(path), other_encoding(path, options.encoding)
    if encoding:
        head = Transcoder(io.BytesIO(head), path, encoding, "replace").read(_HEAD)
    head = head.removeprefix(BOM)
    return head[: head.rfind(b"\n") + 1] or head


def forget_heads() -> None:
    """Ask anew for what files begin with: a run's first step, since a clock's ticks may hide a change."""
    _remembered.cache_clear()


def _first_bytes(path: str | os.PathLike[str]) -> bytes:
    """The first 64 KB of a file, decompressed, once for all who ask: bzip2 decompresses 900 KB for them."""
    if is_url(path):
        return _read_first(path)
    try:
        about = os.stat(path)
    except OSError:
        return _read_first(path)  # which says what is wrong
    return _remembered(os.fspath(path), about.st_ino, about.st_size, about.st_mtime_ns)


@functools.lru_cache(16)
def _remembered(path: str, *_version: int) -> bytes:
    return _read_first(path)


def _read_first(path: str | os.PathLike[str]) -> bytes:
    with open_bytes(path) as file:
        return read_block(file, path, _HEAD)


class Transcoder:
    """A file in some encoding, read as UTF-8.

    What is invalid stops the reading, or with the errors ``replace`` becomes a byte that is invalid in
    UTF-8 too, for `decode` to replace and count.
    """

    def __init__(self, file: IO[bytes], path: str | os.PathLike[str], encoding: str, errors: str) -> None:
        self._file, self._path, self._encoding, self._strict = file, path, encoding, errors == "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._position, self._ready = 0, b""

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end of the file."""
        pieces, length = [self._ready], len(self._ready)
        while length < size and (block := self._next_block()):
            pieces.append(block)
            length += len(block)
        whole = b"".join(pieces)
        self._ready = whole[size:]
        return whole[:size]

    def _next_block(self) -> bytes:
        """Some more UTF-8; nothing at the end of the file."""
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
                    f"(found 0x{error.object[error.start]:02X}); use --errors replace to go on"
                ) from error
            self._position += len(block)
            if not block:
                break
        data = text.encode(errors="replace")
        return data if self._strict else data.replace("\ufffd".encode(), _INVALID)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def decode(raw: RawDocument, path: str, errors: str) -> tuple[str, int]:
    """The text of a document and how many NULs and invalid byte sequences became U+FFFD.

        >>> decode(RawDocument(0, b"caf\\xe9 \\xef\\xbf\\xbd"), "a.txt", "replace")
        ('caf\ufffd \ufffd', 1)

    Raises:
        TextDecodeError: the bytes are not UTF-8 and ``errors`` is ``strict``.
        CorpusError: there is a NUL and ``errors`` is ``strict``, or the document has a problem.
    """
    if raw.problem:
        raise CorpusError(f"{path}: {raw.problem}")
    try:
        text = raw.data.decode()
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise TextDecodeError(
                f"{path}: invalid UTF-8 at byte {raw.start + error.start} "
                f"(found 0x{raw.data[error.start]:02X}); use --errors replace to go on"
            ) from error
        text = raw.data.decode(errors="replace").replace("\0", "\ufffd")
        return text, text.count("\ufffd") - raw.data.count("\ufffd".encode())
    if "\0" in text:
        return clean(text, f"{path}: byte {raw.start + raw.data.index(0)}", errors)
    return text, 0


def clean(text: str, place: str, errors: str) -> tuple[str, int]:
    """Text without NULs and lone surrogates, and how many of them became U+FFFD.

        >>> clean("a\\0b", "a.jsonl: line 3", "replace")
        ('a\ufffdb', 1)

    Raises:
        CorpusError: there is one, and ``errors`` is ``strict``.
    """
    unfit = _UNFIT.search(text)
    if not unfit:
        return text, 0
    if errors == "strict":
        kind = "NUL" if unfit[0] == "\0" else f"lone surrogate U+{ord(unfit[0]):04X}"
        raise CorpusError(f"{place}: found a {kind}, expected text; use --errors replace to go on")
    return _UNFIT.subn("\ufffd", text)
