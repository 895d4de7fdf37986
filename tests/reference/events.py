"""TensorBoard's event files, read byte by byte, checksums by another library."""

from __future__ import annotations

import struct

import pytest


def masked(data: bytes) -> int:
    """The masked checksum by another library."""
    crc32c = pytest.importorskip("crc32c")
    crc: int = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def slow_events(data: bytes) -> list[tuple[int, bytes]]:
    """Step (below 128) and summary of each event of a file, its checksums looked at."""
    found = []
    while data:
        length = int.from_bytes(data[:8], "little")
        head, body, tail = data[:12], data[12 : 12 + length], data[12 + length : 16 + length]
        assert int.from_bytes(head[8:], "little") == masked(head[:8])
        assert int.from_bytes(tail, "little") == masked(body)
        assert (body[0], body[9]) == (0x09, 0x10)  # a double, then a varint
        assert struct.unpack("<d", body[1:9])[0] > 1.7e9  # the time, in seconds since 1970
        found.append((body[10], body[11:]))
        data = data[16 + length :]
    return found
