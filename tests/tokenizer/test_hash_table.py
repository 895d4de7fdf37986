"""Hash table of the scanner: codes, keys, growth and layout of slots."""

from __future__ import annotations

import numpy as np
import pytest

from wpprep.records import Bytes, Ints
from wpprep.tokenizer.hash_table import (
    BLOB_FULL,
    CHUNKS,
    CODES,
    DONE,
    FOUND,
    STATES,
    TABLE_FULL,
    Codes,
    Spans,
    Table,
    empty_slots,
    look_up,
    move,
    pick,
    room_in,
)
from wpprep.tokenizer.utf8 import padded


def text_and_spans(chunks: list[bytes]) -> tuple[Bytes, Spans]:
    """Return the chunks laid out as one padded text, and their positions."""
    ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
    text = padded(np.frombuffer(b"".join(chunks), np.uint8), int(ends[-1]))
    return text, Spans(np.concatenate([[0], ends[:-1]]), ends)


def empty_table(capacity: int, blob: int = 1000) -> Table:
    """Return a table without chunks."""
    slots = empty_slots(capacity)
    return Table(slots, np.empty(blob, np.uint8), np.zeros(room_in(slots) + 1, np.int64))


def looked_up(table: Table, chunks: list[bytes], known: int = 0) -> tuple[int, Codes, Ints]:
    """Look the chunks up in a table of ``known`` chunks; return the reason, the codes and the state."""
    text, spans = text_and_spans(chunks)
    codes, state = np.full(len(chunks), -1, np.int32), np.zeros(STATES, np.int64)
    state[FOUND], state[CHUNKS] = len(chunks), known
    return look_up(text, spans, table, codes, state), codes, state


def test_new_chunks_get_the_next_codes() -> None:
    """Equal chunks have one code, and codes count up in the order of first occurrence."""
    table = empty_table(16)
    reason, codes, state = looked_up(table, [b"to", b"be", b"or", b"not", b"to", b"be"])
    assert (reason, codes.tolist()) == (DONE, [0, 1, 2, 3, 0, 1])
    assert (int(state[CHUNKS]), int(state[CODES]), int(state[FOUND])) == (4, 6, 0)
    assert table.starts[:5].tolist() == [0, 2, 4, 6, 9]
    assert table.blob[:9].tobytes() == b"tobeornot"
    assert looked_up(table, [b"not", b"be", b"new"], known=4)[1].tolist() == [3, 1, 4]


def test_equal_keys_are_followed_by_a_comparison_of_the_bytes() -> None:
    """Two long chunks constructed to have the same key have two codes."""

    def mixed(word: int) -> int:
        product = word * 0x9E3779B97F4A7C15 % 2**64
        return product ^ product >> 29

    a, b, last = 0x6161616161616161, 0x6262626262626262, 0x6363636363636363
    other_last = mixed(a) ^ mixed(b) ^ last
    first, second = (
        b"beginnin" + middle.to_bytes(8, "little") + end.to_bytes(8, "little")
        for middle, end in [(a, last), (b, other_last)]
    )
    table = empty_table(16)
    assert looked_up(table, [first, second, first])[1].tolist() == [0, 1, 0]
    slots = table.slots.reshape(-1, 4)
    used = slots[slots[:, 2] != 0]
    assert used[0, :2].tolist() == used[1, :2].tolist()


def test_a_full_table_is_enlarged_and_continues() -> None:
    """With room for 6 chunks the seventh returns TABLE_FULL; after move() the look-up continues with it."""
    chunks = [b"chunk%d" % i for i in range(9)]
    text, spans = text_and_spans(chunks)
    table = empty_table(8)
    assert room_in(table.slots) == 6
    codes, state = np.full(9, -1, np.int32), np.zeros(STATES, np.int64)
    state[FOUND] = 9
    assert look_up(text, spans, table, codes, state) == TABLE_FULL
    assert codes.tolist() == [0, 1, 2, 3, 4, 5, -1, -1, -1]
    larger = empty_table(16)
    move(table.slots, larger.slots)
    larger.starts[:7] = table.starts
    assert look_up(text, spans, Table(larger.slots, table.blob, larger.starts), codes, state) == DONE
    assert codes.tolist() == list(range(9))


def test_a_full_blob_returns_before_the_chunk_that_does_not_fit() -> None:
    """A chunk is stored only if 8 bytes remain after it, which loads of 8 bytes may read."""
    reason, codes, state = looked_up(empty_table(16, blob=20), [b"a" * 12, b"b"])
    assert (reason, codes.tolist(), int(state[CHUNKS])) == (BLOB_FULL, [0, -1], 1)


@pytest.mark.parametrize("capacity", [8, 64, 1 << 12])
def test_slots_are_aligned_to_cache_lines(capacity: int) -> None:
    """Slots begin at a multiple of 64 bytes and are empty; three quarters of them may be used."""
    slots = empty_slots(capacity)
    assert (slots.ctypes.data % 64, len(slots), int(slots.max())) == (0, 4 * capacity, 0)
    assert room_in(slots) == capacity * 3 // 4


def test_pick_concatenates_chunks_by_code() -> None:
    """Picked chunks are in the order of the given codes, which may repeat."""
    table = empty_table(16)
    looked_up(table, [b"to", b"be", b"not"])
    picked, ends = np.empty(8, np.uint8), np.empty(3, np.int64)
    pick(table.blob, table.starts, np.array([2, 0, 2]), picked, ends)
    assert picked.tobytes() == b"nottonot"
    assert ends.tolist() == [3, 5, 8]
