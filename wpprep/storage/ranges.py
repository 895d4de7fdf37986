"""Remote files read by ranges, in blocks that grow while a file is read sequentially.

    with open_remote("s3://bucket/wiki.jsonl", until=32_000_000) as file:
        file.seek(16_000_000)
        file.read(1 << 20)      # fetches the 16 MB up to `until` in four concurrent requests

Large blocks need fewer requests but fetch bytes that may not be read; ``until`` bounds them.

What this module does not do: retry (`wpprep.storage.remote`), or decompress (`wpprep.storage.files`).
"""

from __future__ import annotations

import io
import os
from typing import IO, Any

from wpprep.storage.remote import HEAD, attempt, first_bytes, info_of, protocol_of, remote_size, whole

RANGE = 4 << 20  # maximum number of bytes per request; concurrent requests fetch a block
_BLOCK = 16 << 20  # maximum number of bytes of a block, of which one is held per file


def open_remote(url: str, until: int = -1) -> IO[bytes]:
    """Open a remote file for reading by ranges.

    Args:
        url: the file, in a store that serves ranges (`serves_ranges`).
        until: the position up to which the file will be read, so that it is fetched up to there at once; -1:
            unknown.

    Raises:
        MissingInputError: there is no such file.
        RemoteError: there are no credentials, no access or no answer.
    """
    return RemoteFile(url, remote_size(url), until)  # type: ignore[return-value]


def serves_ranges(url: str) -> bool:
    """Return whether a store serves ranges of a file; some web servers always send the whole file."""
    if protocol_of(url) not in ("http", "https"):
        return True
    about = info_of(url)
    if about["size"] is None or about.get("partial") is False:
        return False
    return len(first_bytes(url)) <= HEAD


def _read_range(url: str, start: int, stop: int) -> bytes:
    """Return bytes ``start`` to ``stop`` of a file, fetched in concurrent requests of at most `RANGE` bytes."""
    starts = list(range(start, stop, RANGE))
    stops = [*starts[1:], stop]
    if len(starts) == 1:
        return attempt(url, lambda fs, path: whole(fs.cat_file(path, start=start, end=stop), stop - start))

    def read(fs: Any, path: str) -> bytes:
        parts = fs.cat_ranges([path] * len(starts), starts, stops, on_error="raise")
        return b"".join(whole(part, b - a) for part, a, b in zip(parts, starts, stops, strict=True))

    return attempt(url, read)


class RemoteFile(io.BufferedIOBase):
    """A read-only remote file, fetched in blocks that double in size while it is read sequentially.

    After a seek the block is as long as the read, but at least 64 KiB; each following block is as long as all
    before it, up to 16 MiB. So random access fetches little more than it reads, and sequential reading needs
    few requests.

    Args:
        url: the file.
        size: its size in bytes.
        until: the position up to which it will be read; -1: unknown.
    """

    def __init__(self, url: str, size: int, until: int = -1) -> None:
        """Set the position to 0; fetches nothing."""
        self.name = url
        self._size, self._until = size, until
        self._position = self._begin = 0  # of the next read, and of the block
        self._run = 0  # number of bytes fetched since the last seek
        self._block = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, as `io.IOBase.seek`; fetches nothing."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next ``size`` bytes (-1 or None: all); fewer at the end of the file.

        Raises:
            MissingInputError: the file was removed.
            RemoteError: a request failed, also after retries.
        """
        left = max(0, self._size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted:
            piece = self._piece(wanted)
            pieces.append(piece)
            wanted -= len(piece)
            self._position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read1(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, as `read`."""
        return self.read(size)

    def _piece(self, wanted: int) -> bytes:
        """Return some of the next ``wanted`` bytes, at least one."""
        start = self._position - self._begin
        if not 0 <= start < len(self._block):
            self._fetch(wanted)
            start = self._position - self._begin
        return self._block[start : start + wanted]

    def _fetch(self, wanted: int) -> None:
        """Fetch the block at the position."""
        goes_on = self._position == self._begin + len(self._block)
        if self._position < min(HEAD, self._size):
            self._begin, self._block = 0, first_bytes(self.name)
            self._run = len(self._block)
            return
        self._run = self._run if goes_on else 0
        size = max(wanted, HEAD, self._run)
        if self._position < self._until:  # all bytes up to `until` will be read, and perhaps none after it
            size = self._until - self._position
        stop = min(self._position + min(size, _BLOCK), self._size)
        self._block = _read_range(self.name, self._position, stop)
        self._begin = self._position
        self._run += len(self._block)
