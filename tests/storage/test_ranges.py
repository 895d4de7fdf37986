"""Remote files read by ranges: which bytes are fetched for a walk of reads and seeks."""

from __future__ import annotations

import os
from typing import Any

import pytest

from wpprep.storage import ranges
from wpprep.storage.ranges import RemoteFile, open_remote, serves_ranges
from wpprep.storage.remote import HEAD, forget, write_remote

URL = "memory://bucket-of-ranges/x"
SIZE = 1_000_000
DATA = bytes(i * i % 251 for i in range(SIZE))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A file in a store in memory; the ranges that are fetched of it, its head excepted."""
    pytest.importorskip("fsspec")
    found: list[tuple[int, int]] = []

    def attempt(url: str, request: Any) -> Any:
        class Store:
            def cat_file(self, path: str, start: int, end: int) -> bytes:
                found.append((start, end))
                return DATA[start:end]

            def cat_ranges(self, paths: list[str], starts: list[int], ends: list[int], on_error: str) -> Any:
                return [self.cat_file(*part) for part in zip(paths, starts, ends, strict=True)]

        return request(Store(), url)

    forget()
    write_remote(URL, DATA)
    monkeypatch.setattr(ranges, "attempt", attempt)
    return found


def test_blocks_double_while_a_file_is_read_on(fetched: list[tuple[int, int]]) -> None:
    """After the head each block is as long as all before it together."""
    with open_remote(URL) as file:
        assert b"".join(iter(lambda: file.read(1000), b"")) == DATA
    assert fetched == [(HEAD, 2 * HEAD), (2 * HEAD, 4 * HEAD), (4 * HEAD, 8 * HEAD), (8 * HEAD, SIZE)]


def test_a_jump_fetches_little(fetched: list[tuple[int, int]]) -> None:
    """A read after a seek fetches its bytes, at least 64 KiB; a seek inside the block fetches nothing."""
    with open_remote(URL) as file:
        file.seek(500_000)
        assert file.read(10) == DATA[500_000:500_010]
        file.seek(500_005)
        assert file.read(10) == DATA[500_005:500_015]
        file.seek(700_000)
        assert file.read(100_000) == DATA[700_000:800_000]
    assert fetched == [(500_000, 500_000 + HEAD), (700_000, 800_000)]


def test_a_known_end_is_fetched_at_once(fetched: list[tuple[int, int]]) -> None:
    """Up to ``until`` all bytes are fetched with the first read, and after it no more than are read."""
    with open_remote(URL, until=400_000) as file:
        file.seek(100_000)
        assert file.read(10) == DATA[100_000:100_010]
        assert fetched == [(100_000, 400_000)]
        assert file.read(300_000) == DATA[100_010:400_010]
        assert fetched[1][0] == 400_000


def test_a_large_block_takes_concurrent_requests(
    fetched: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of more than `RANGE` bytes is fetched in requests of that many."""
    monkeypatch.setattr(ranges, "RANGE", 100_000)
    with open_remote(URL) as file:
        file.seek(500_000)
        assert file.read(250_000) == DATA[500_000:750_000]
    assert fetched == [(500_000, 600_000), (600_000, 700_000), (700_000, 750_000)]


def test_positions_are_those_of_a_file(fetched: list[tuple[int, int]]) -> None:
    """Seeks from the start, the position and the end; reads at the end give nothing."""
    file = RemoteFile(URL, SIZE)
    assert file.readable()
    assert file.seekable()
    assert file.seek(-10, os.SEEK_END) == SIZE - 10
    assert file.read1(100) == DATA[-10:]
    assert file.read(5) == b""
    assert file.seek(-SIZE - 1, os.SEEK_CUR) == 0
    assert file.tell() == 0
    assert file.read(3) == DATA[:3]
    assert file.seek(2, os.SEEK_CUR) == 5


def test_stores_serve_ranges() -> None:
    """All protocols but HTTP are taken to serve ranges, without a request."""
    assert serves_ranges("s3://no-such-bucket/x")
