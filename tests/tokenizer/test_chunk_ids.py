"""Cache of chunks and ids: what is stored is returned, in a bounded number of bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.tokenizer.chunk_ids import ChunkMemory, Encoded
from wpprep.tokenizer.cut_rule import blank_rule

LARGE = 1 << 40  # bytes


def scan(memory: ChunkMemory, text: str) -> np.ndarray:
    """Add the chunks of a text to the table and return their codes."""
    data = text.encode()
    codes, _ = memory.table.scan(np.frombuffer(data, np.uint8), np.array([len(data)]))
    return codes


def laid_out(rows: list[list[int]], marks: bool) -> Encoded:
    """Return the rows as columns; with marks, the first and every third id starts a word."""
    tokens = np.array([i for row in rows for i in row], np.int32)
    starts = [k % 3 == 0 for row in rows for k in range(len(row))]
    return Encoded(tokens, np.cumsum([len(row) for row in rows]), np.array(starts, np.bool_) if marks else None)


def recalled(memory: ChunkMemory, codes: list[int], ends: list[int], room: int) -> Encoded:
    """Return the ids of chunks, gathered into arrays with this initial room."""
    gathered = memory.gathered(room)
    memory.recall(np.array(codes, np.int32), np.array(ends, np.int64), gathered)
    return gathered.encoded()


@pytest.mark.parametrize("room", [0, 10_000])
@pytest.mark.parametrize("marks", [False, True])
@given(rows=st.lists(st.lists(st.integers(0, 2**21), max_size=9), min_size=1, max_size=12))
def test_stored_ids_are_returned(marks: bool, room: int, rows: list[list[int]]) -> None:
    """Any number of ids, of 20 bits and more, is returned for each chunk, whether arrays must grow or not."""
    memory = ChunkMemory(blank_rule(), np.uint32, LARGE, marks_words=marks)
    codes = scan(memory, " ".join(f"chunk{k}" for k in range(len(rows))))
    encoded = laid_out(rows, marks)
    memory.learn(codes.astype(np.int64), encoded)
    n = len(rows)
    found = recalled(memory, [*range(n), *range(n)], [n, n, 2 * n], room)
    assert found.tokens.tolist() == [*encoded.tokens.tolist()] * 2
    assert found.ends.tolist() == [len(encoded.tokens)] * 2 + [2 * len(encoded.tokens)]
    if marks:
        assert found.marks is not None
        assert encoded.marks is not None
        assert found.marks.tolist() == encoded.marks.tolist() * 2
    else:
        assert found.marks is None


def test_later_ids_replace_earlier_ones() -> None:
    """A chunk that is learned twice has the ids of the second call."""
    memory = ChunkMemory(blank_rule(), np.uint16, LARGE, marks_words=False)
    codes = scan(memory, "a b").astype(np.int64)
    memory.learn(codes, laid_out([[1], []], marks=False))
    memory.learn(codes[1:], laid_out([[7, 8, 9, 10]], marks=False))
    assert recalled(memory, [0, 1, 0], [3], 0).tokens.tolist() == [1, 7, 8, 9, 10, 1]


def test_frequent_short_chunks_are_kept() -> None:
    """Of six chunks the three most frequent remain, except one that is met once and one of 101 bytes.

    Occurrences: the 4, long 3, - 2, x 1, y 1, z 1. "the", long and "-" are the more frequent half; long has 101
    bytes. Their ids are kept, and x is new again.
    """
    long = "l" * 101
    memory = ChunkMemory(blank_rule(), np.uint16, 0, marks_words=False)
    codes = scan(memory, f"the {long} - x y z the {long} - the {long} the")
    memory.learn(np.arange(6), laid_out([[i, 100 + i] for i in range(6)], marks=False))
    recalled(memory, codes.tolist(), [len(codes)], 0)
    memory.keep_to_bound()
    assert memory.table.chunks() == ["the", "-"]
    assert memory.known == 2
    assert recalled(memory, [0, 1], [2], 0).tokens.tolist() == [0, 100, 2, 102]
    assert scan(memory, "- the x").tolist() == [1, 0, 2]


def test_nothing_is_dropped_below_the_maximum() -> None:
    """A cache smaller than its maximum keeps all chunks, also those met once."""
    memory = ChunkMemory(blank_rule(), np.uint16, LARGE, marks_words=False)
    scan(memory, "a b c")
    memory.learn(np.arange(3), laid_out([[1], [2], [3]], marks=False))
    memory.keep_to_bound()
    assert memory.table.chunks() == ["a", "b", "c"]


def test_memory_is_bounded() -> None:
    """Batches of new chunks do not let the table grow far beyond the maximum of 8 MB."""
    memory = ChunkMemory(blank_rule(), np.uint16, 8_000_000, marks_words=False)
    for batch in range(20):
        codes = scan(memory, "the " * 5 + " ".join(f"word{batch}-{i}" for i in range(20_000)))
        new = np.arange(memory.known, len(memory.table))
        memory.learn(new, laid_out([[int(i) % 1000] for i in new], marks=False))
        recalled(memory, codes.tolist(), [len(codes)], len(codes))
        memory.keep_to_bound()
        assert memory.table.nbytes < 12_000_000
    assert "the" in memory.table.chunks()
    assert len(memory.table) < 20 * 20_000 // 2
