"""Remote files read by ranges: where a reader looks, and ahead of it as far as it is sure to go.

    with open_remote("s3://bucket/wiki.jsonl", until=32_000_000) as file:
        file.seek(16_000_000)
        file.read(1 << 20)      # fetches 16 MB in four requests at once: all that this reader was said to read

What this module does not do: try again (`wpprep.storage.remote`), or decompress (files).
"""

from __future__ import annotations

import io
import os
from typing import IO, Any

from wpprep.storage.remote import HEAD, attempt, first_bytes, info_of, protocol_of, remote_size, whole

RANGE = 4 << 20  # bytes of a request; several at once fetch a block
_BLOCK = 16 << 20  # the most that is held of a file


def open_remote(url: str, until: int = -1) -> IO[bytes]:
    """A remote file, to be read by ranges; nothing behind ``until`` is read ahead of its reader (-1: no bound).

    Raises:
        MissingInputError: it is not there.
        RemoteError: there are no credentials, no access or no answer.
    """
    return RemoteFile(url, remote_size(url), until)  # type: ignore[return-value]


def serves_ranges(url: str) -> bool:
    """Whether parts of a file can be had; some web servers send the whole file whatever is asked of them."""
    if protocol_of(url) not in ("http", "https"):
        return True
    about = info_of(url)
    if about["size"] is None or about.get("partial") is False:
        return False
    return len(first_bytes(url)) <= HEAD


def _read_range(url: str, start: int, stop: int) -> bytes:
    """Bytes ``start`` to ``stop`` of a file, in several requests at once if they are many."""
    starts = list(range(start, stop, RANGE))
    stops = [*starts[1:], stop]
    if len(starts) == 1:
        return attempt(url, lambda fs, path: whole(fs.cat_file(path, start=start, end=stop), stop - start))

    def read(fs: Any, path: str) -> bytes:
        parts = fs.cat_ranges([path] * len(starts), starts, stops, on_error="raise")
        return b"".join(whole(part, b - a) for part, a, b in zip(parts, starts, stops, strict=True))

    return attempt(url, read)


class RemoteFile(io.BufferedIOBase):
    """A remote file, read-only. What is read one after another is fetched in ever larger blocks.

    After a jump as much is fetched as is asked for, 64 KB at least; then twice as much each time, to 16 MB.
    So a reader that looks here and there fetches little more than it looks at, and one that
    reads on waits seldom.
    """

    def __init__(self, url: str, size: int, until: int = -1) -> None:
        self.name = url
        self._size, self._until = size, until
        self._position = self._begin = self._run = 0  # where we are; where the block begins; what came in a row
        self._block = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
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
        return self.read(size)

    def _piece(self, wanted: int) -> bytes:
        """Some of the next ``wanted`` bytes, at least one."""
        start = self._position - self._begin
        if not 0 <= start < len(self._block):
            self._fetch(wanted)
            start = self._position - self._begin
        return self._block[start : start + wanted]

    def _fetch(self, wanted: int) -> None:
        """Fetch a block that begins at the position."""
        goes_on = self._position == self._begin + len(self._block)
        if self._position < min(HEAD, self._size):
            self._begin, self._block = 0, first_bytes(self.name)
            self._run = len(self._block)
            return
        self._run = self._run if goes_on else 0
        size = max(wanted, HEAD, self._run)
        if self._position < self._until:  # up to there all will be read, and behind it perhaps nothing
            size = self._until - self._position
        stop = min(self._position + min(size, _BLOCK), self._size)
        self._block = _read_range(self.name, self._position, stop)
        self._begin = self._position
        self._run += len(self._block)
