"""Hash table of the scanner: from the bytes of a chunk to its code, usually with one memory access.

Open addressing with linear probing. A chunk of up to 16 bytes is its own key; the key of a longer one is its
first 8 bytes and a hash of the others, and after equal keys the bytes are compared. A slot is half a cache line
and contains everything to compare. Chunks are never removed; `ChunkTable.keep` builds a new table. The kernels
here and in `scanner` run alternately and pass their positions to each other in one array, ``state``.

    slots   uint64[4 * capacity]   [ 8 bytes | the other bytes or their hash | code + 1 : 32, length : 32 |
                                     start in blob ] ...   third number 0: empty; at most 3/4 are in use
    blob    uint8[]                the bytes of all distinct chunks, concatenated
    starts  int64[]                chunk ``code`` is blob[starts[code]:starts[code + 1]]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.utf8 import eight_bytes, prefetch

Codes = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

# Indices in the state array, which one call of a kernel passes to the next.
SENTENCE, POSITION, FOUND, LOOKED_UP, CODES, CHUNKS, STATES = range(7)
# Reasons for which a kernel returns.
DONE, TABLE_FULL, BLOB_FULL, PROBE = range(4)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW, _ONE, _EIGHT = np.uint64(0xFFFFFFFF), np.uint64(1), np.uint64(8)
_ASKED_AT_ONCE = 64  # number of chunks with slots prefetched before the first is read
_FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)  # masks of the first n bytes of a load


class Spans(NamedTuple):
    """Parts of a text: part ``k`` is ``text[begins[k]:ends[k]]``, both ``int64``, in bytes."""

    begins: Ints
    ends: Ints


class Table(NamedTuple):
    """The arrays of the hash table, laid out as in the module docstring."""

    slots: Words
    blob: Bytes
    starts: Ints


@njit(cache=True, nogil=True, inline="always")
def _key(text: Bytes, start: np.uint64, length: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the key of a chunk, unique up to 16 bytes: its first 8 bytes, and the others or their hash."""
    first = eight_bytes(text, start) & _FIRST_BYTES[min(length, _EIGHT)]
    if length <= 16:  # no branch for up to 8 bytes: the mask is 0 then
        return first, eight_bytes(text, start + _EIGHT) & _FIRST_BYTES[max(length, _EIGHT) - _EIGHT]
    rest, i = np.uint64(0), _EIGHT
    while length - i > 8:
        rest = (rest ^ eight_bytes(text, start + i)) * _MULTIPLIER
        rest ^= rest >> np.uint64(29)
        i += _EIGHT
    return first, rest ^ (eight_bytes(text, start + i) & _FIRST_BYTES[length - i])


@njit(cache=True, nogil=True, inline="always")
def _home(first: np.uint64, rest: np.uint64, mask: np.uint64) -> np.uint64:
    """Return the slot at which the search for a key begins; it depends on every bit of the key."""
    product = (first ^ rest * _SECOND) * _MULTIPLIER
    return (product ^ product >> np.uint64(32)) & mask


@njit(cache=True, nogil=True, inline="always")
def _is_chunk(blob: Bytes, begin: np.uint64, text: Bytes, start: np.uint64, length: np.uint64) -> bool:
    """Return whether ``length`` bytes, more than 8, are equal."""
    i, last = np.uint64(0), length - _EIGHT
    while i < last and eight_bytes(blob, begin + i) == eight_bytes(text, start + i):
        i += _EIGHT
    return bool(i >= last and eight_bytes(blob, begin + last) == eight_bytes(text, start + last))


@njit(cache=True, nogil=True)
def look_up(text: Bytes, found: Spans, table: Table, codes: Codes, state: Ints) -> int:
    """Write the codes of the chunks found in ``text`` to ``codes``; append new chunks to the table.

    Continues from ``state`` until all are done or the table must grow. The slots of several chunks are
    prefetched together, so that they are in the cache when they are read.

    Returns:
        DONE, TABLE_FULL or BLOB_FULL.
    """
    places, stops = found
    slots, blob, starts = table
    room = len(starts) - 1
    mask = np.uint64(len(slots) // 4 - 1)
    n, count, base = state[FOUND], state[CHUNKS], state[CODES]
    firsts, rests = np.empty(_ASKED_AT_ONCE, np.uint64), np.empty(_ASKED_AT_ONCE, np.uint64)
    homes = np.empty(_ASKED_AT_ONCE, np.uint64)
    for asked in range(state[LOOKED_UP], n, _ASKED_AT_ONCE):
        last = min(n, asked + _ASKED_AT_ONCE)
        # 1. Prefetch the slots.
        for k in range(asked, last):
            start = np.uint64(places[k])
            first, rest = _key(text, start, np.uint64(stops[k]) - start)
            home = _home(first, rest, mask)
            prefetch(slots, 4 * home)
            firsts[k - asked], rests[k - asked], homes[k - asked] = first, rest, home
        # 2. Look the chunks up.
        for k in range(asked, last):
            first, rest, slot = firsts[k - asked], rests[k - asked], homes[k - asked]
            start, length = np.uint64(places[k]), np.uint64(stops[k] - places[k])
            while True:
                entry = slots[4 * slot + np.uint64(2)]
                if entry == 0:
                    break
                differs = slots[4 * slot] ^ first | slots[4 * slot + _ONE] ^ rest | (entry & _LOW) ^ length
                if differs == 0 and (
                    length <= 16 or _is_chunk(blob, slots[4 * slot + np.uint64(3)], text, start, length)
                ):
                    break
                slot = (slot + _ONE) & mask
            # 3. Assign the next code to a new chunk.
            if entry == 0:
                if count == room or starts[count] + np.int64(length) + 8 > len(blob):
                    state[LOOKED_UP], state[CHUNKS] = k, count
                    return TABLE_FULL if count == room else BLOB_FULL
                begin = starts[count]
                for i in range(np.int64(length)):
                    blob[begin + i] = text[start + np.uint64(i)]
                starts[count + 1] = begin + np.int64(length)
                count += 1
                entry = np.uint64(count) << np.uint64(32) | length
                slots[4 * slot], slots[4 * slot + _ONE] = first, rest
                slots[4 * slot + np.uint64(2)], slots[4 * slot + np.uint64(3)] = entry, np.uint64(begin)
            codes[base + k] = np.int64(entry >> np.uint64(32)) - 1
    state[LOOKED_UP], state[CHUNKS] = 0, count
    state[CODES], state[FOUND] = base + n, 0
    return DONE


def empty_slots(capacity: int) -> Words:
    """Return empty slots, ``uint64[4 * capacity]``, aligned so that no slot spans two cache lines."""
    words = np.zeros(4 * capacity + 7, np.uint64)
    first = -words.ctypes.data % 64 // 8
    return words[first : first + 4 * capacity]


def room_in(slots: Words) -> int:
    """Return the maximum number of chunks in a table."""
    return len(slots) // 4 * 3 // 4


@njit(cache=True, nogil=True)
def move(slots: Words, larger: Words) -> None:
    """Insert all chunks into a table of larger capacity."""
    mask = np.uint64(len(larger) // 4 - 1)
    for i in range(0, len(slots), 4):
        if slots[i + 2] != 0:
            slot = _home(slots[i], slots[i + 1], mask)
            while larger[4 * slot + np.uint64(2)] != 0:
                slot = (slot + _ONE) & mask
            for j in range(4):
                larger[4 * slot + np.uint64(j)] = slots[i + j]


@njit(cache=True, nogil=True)
def pick(blob: Bytes, starts: Ints, codes: Ints, picked: Bytes, ends: Ints) -> None:
    """Copy the chunks with these codes to ``picked``, concatenated, and write the end of each to ``ends``."""
    n = 0
    for k in range(len(codes)):
        for i in range(starts[codes[k]], starts[codes[k] + 1]):
            picked[n] = blob[i]
            n += 1
        ends[k] = n
