"""The memory of the encoder: which ids every chunk met so far became, in a bounded number of bytes.

Most chunks are one to three ids, which lie in the entry itself; so the ids of a text are gathered with one
read and one write a chunk, and no branch that depends on their number.

    entries  int64[chunks, 2]      [ 3 ids of 20 bits, the first one lowest | how many : 2 ], how often met
                                   [ place in ids : 31 | how many ids : 31 | 0 : 2 ], how often met
    ids      uint16[] or uint32[]  the ids of the other chunks; beside it marks, bool[], where words start
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.encode.scanner import ChunkTable, CutRule
from wpprep.encode.slots import Codes
from wpprep.records import Ints, Tokens

Marks = npt.NDArray[np.bool_]

_LONGEST_KEPT = 100  # bytes; longer chunks are seldom seen twice
_INLINE = 3  # ids in an entry
_BITS, _ID = np.int64(20), np.int64((1 << 20) - 1)
_FIELD, _LENGTH = np.int64(31), np.int64((1 << 31) - 1)
_ROOM = 1 << 15  # chunks and ids at the start


class Encoded(NamedTuple):
    """Ids of several texts one after another, the end of each, and where words start (None: pieces tell)."""

    tokens: Tokens
    ends: Ints
    marks: Marks | None


@njit(cache=True, nogil=True)
def _enter(
    codes: Ints, tokens: Tokens, ends: Ints, marks: Marks,
    entries: Ints, ids: Tokens, id_marks: Marks, used: int,
) -> int:  # fmt: skip
    """Write the entries of some chunks, given their ids; returns how much of ``ids`` is in use."""
    start = 0
    for k in range(len(codes)):
        length, entry = ends[k] - start, np.int64(0)
        is_inline = 0 < length <= _INLINE
        for j in range(min(length, _INLINE)):
            is_inline &= tokens[start + j] <= _ID and (j == 0 or len(marks) == 0 or not marks[start + j])
            entry |= np.int64(tokens[start + j]) << (2 + _BITS * j)
        if is_inline:
            entry |= length
        else:
            entry = (np.int64(used) << _FIELD | length) << 2
            for j in range(length):
                ids[used + j] = tokens[start + j]
                id_marks[used + j] = len(marks) == 0 or marks[start + j]
            used += length
        entries[codes[k], 0] = entry
        start = ends[k]
    return used


@njit(cache=True, nogil=True)
def _count(codes: Codes, entries: Ints) -> int:
    """How many ids the chunks have; counts how often each chunk occurs."""
    n = 0
    for code in codes:
        entry = entries[code, 0]
        n += entry & 3 or entry >> 2 & _LENGTH
        entries[code, 1] += 1
    return n


@njit(cache=True, nogil=True)
def _gather(
    codes: Codes, code_ends: Ints, entries: Ints, ids: Tokens, marks: Marks,
    tokens: Tokens, ends: Ints, word_starts: Marks,
) -> None:  # fmt: skip
    """Write the ids of every chunk one after another, where each sentence ends, and where words start.

    ``tokens`` and ``word_starts`` (empty if not wanted) have room for two more than there are.
    """
    n, first = 0, 0
    has_marks = len(word_starts) > 0
    for sentence in range(len(code_ends)):
        for i in range(first, code_ends[sentence]):
            entry = entries[codes[i], 0]
            if entry & 3:  # three are written, and the next chunk overwrites what was too much
                for j in range(_INLINE):
                    tokens[n + j] = entry >> (2 + _BITS * j) & _ID
                    if has_marks:
                        word_starts[n + j] = j == 0
                n += entry & 3
            else:
                place, length = entry >> (2 + _FIELD), entry >> 2 & _LENGTH
                for j in range(length):
                    tokens[n + j] = ids[place + j]
                    if has_marks:
                        word_starts[n + j] = marks[place + j]
                n += length
        ends[sentence] = n
        first = code_ends[sentence]


class ChunkMemory:
    """The chunks met so far and their ids.

    Attributes:
        table: from chunk to code.
        known: codes below this have entries.
    """

    known: int
    _entries: Ints
    _ids: Tokens
    _marks: Marks
    _used: int  # of ids

    def __init__(self, rule: CutRule, dtype: type[Any], most_bytes: int, *, marks_words: bool) -> None:
        self.table = ChunkTable(rule)
        self._most_bytes, self._marks_words = most_bytes, marks_words
        self._forget(dtype)

    def learn(self, codes: Ints, encoded: Encoded) -> None:
        """Keep the ids of these chunks; a later call for the same chunk wins."""
        n = len(encoded.tokens)
        self._entries = _with_room(self._entries, len(self.table))
        self._ids, self._marks = _with_room(self._ids, self._used + n), _with_room(self._marks, self._used + n)
        marks = np.empty(0, np.bool_) if encoded.marks is None else encoded.marks
        self._used = _enter(
            codes, encoded.tokens, encoded.ends, marks, self._entries, self._ids, self._marks, self._used
        )
        self.known = len(self.table)

    def recall(self, codes: Codes, code_ends: Ints) -> Encoded:
        """The ids of chunks one after another, cut into sentences at ``code_ends``."""
        n = _count(codes, self._entries)
        tokens, ends = np.empty(n + _INLINE - 1, self._ids.dtype), np.empty(len(code_ends), np.int64)
        marks = np.empty(len(tokens) if self._marks_words else 0, np.bool_)
        _gather(codes, code_ends, self._entries, self._ids, self._marks, tokens, ends, marks)
        return Encoded(tokens[:n], ends, marks[:n] if self._marks_words else None)

    def keep_to_bound(self) -> None:
        """If there is no room for more, forget the rarer half of the chunks, those met once and long ones."""
        held = (self._entries, self._ids, self._marks)
        if self.table.nbytes + sum(array.nbytes for array in held) <= self._most_bytes:
            return
        n = self.known
        hits, lengths = self._entries[:n, 1].copy(), np.diff(self.table.starts[: n + 1])
        order = np.argsort(-hits, kind="stable")[: n // 2]
        kept = np.sort(order[(hits[order] > 1) & (lengths[order] <= _LONGEST_KEPT)])
        encoded = self.recall(kept.astype(np.int32), np.arange(1, len(kept) + 1))
        self.table.keep(kept)
        self._forget(self._ids.dtype)
        self.learn(np.arange(len(kept)), encoded)
        self._entries[: len(kept), 1] = hits[kept] // 2

    def _forget(self, dtype: Any) -> None:
        self.known = self._used = 0
        self._entries = np.zeros((_ROOM, 2), np.int64)
        self._ids = np.empty(_ROOM, dtype)
        self._marks = np.empty(_ROOM, np.bool_)


def _with_room(array: Any, least: int) -> Any:
    """The array, or a longer one with the same beginning."""
    if least <= len(array):
        return array
    longer = np.zeros((max(least, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
