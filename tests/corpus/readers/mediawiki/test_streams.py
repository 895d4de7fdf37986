"""bzip2 files of many streams: where they begin, and what is read after damage."""

from __future__ import annotations

import bz2
from pathlib import Path
from unittest import mock

import pytest

from wpprep.corpus.readers.mediawiki import streams
from wpprep.corpus.readers.mediawiki.streams import Block, read_streams, stream_starts

TEXTS = [b"one", b"two two", b"three three three"]
STREAMS = [bz2.compress(text) for text in TEXTS]
STARTS = [0, len(STREAMS[0]), len(STREAMS[0]) + len(STREAMS[1])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three streams."""
    file = tmp_path / "a.bz2"
    file.write_bytes(b"".join(STREAMS))
    return file


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_streams_are_found_across_blocks(path: Path, block: int) -> None:
    """The ten bytes that begin a stream are found wherever blocks divide them."""
    with mock.patch.object(streams, "_BLOCK", block):
        assert stream_starts(path, 1) == STARTS
        assert stream_starts(path, STARTS[1] + 1) == [0, STARTS[2]]
        assert stream_starts(path, 10**6) == [0]


def test_reading_starts_at_any_stream(path: Path) -> None:
    """Blocks have the start of their stream; reading goes on to the end of the file."""
    blocks = [Block(start, text) for start, text in zip(STARTS, TEXTS, strict=True)]
    assert list(read_streams(path, 0)) == blocks
    assert list(read_streams(path, STARTS[1])) == blocks[1:]


def test_reading_continues_after_a_damaged_stream(path: Path) -> None:
    """A damaged stream is one block with its problem, and the next stream is found by its first bytes."""
    data = bytearray(path.read_bytes())
    data[STARTS[1] + 12] ^= 0xFF
    path.write_bytes(data)
    first, bad, last = read_streams(path, 0)
    assert (first, last) == (Block(0, TEXTS[0]), Block(STARTS[2], TEXTS[2]))
    assert (bad.begin, bad.data) == (STARTS[1], b"")
    assert bad.problem.startswith(f"damaged compressed data: the bzip2 stream at byte {STARTS[1]}")


def test_a_truncated_stream_has_a_problem(path: Path) -> None:
    """A file that ends inside a stream has a block that names the stream."""
    path.write_bytes(path.read_bytes()[:-5])
    *_, last = read_streams(path, 0)
    assert last == Block(
        STARTS[2], b"", f"damaged compressed data: the bzip2 stream at byte {STARTS[2]} has no end"
    )


def test_blocks_are_bounded(tmp_path: Path) -> None:
    """A small stream that decompresses to 16 MiB comes in blocks of at most 1 MiB."""
    (tmp_path / "a.bz2").write_bytes(bz2.compress(b" " * (1 << 24)))
    sizes = [len(block.data) for block in read_streams(tmp_path / "a.bz2", 0)]
    assert sum(sizes) == 1 << 24
    assert max(sizes) <= 1 << 20
