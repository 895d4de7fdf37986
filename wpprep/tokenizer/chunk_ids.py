"""Cache of the encoder: the ids of every chunk met so far, in a bounded number of bytes.

Most chunks have one to three ids, which are stored in the entry itself. So the ids of a text are gathered with
one read and one write per chunk, and no branch that depends on their number.

    entries  int64[chunks, 2]      [ 3 ids of 20 bits, the first one lowest | number of ids : 2 ], occurrences
                                   [ start in ids : 31 | number of ids : 31 | 0 : 2 ], occurrences
    ids      uint16[] or uint32[]  the ids of the other chunks
    marks    bool[]                true where an element of ids starts a word
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit
from wpprep.records import Ints, Tokens
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.hash_table import Codes
from wpprep.tokenizer.scanner import ChunkTable

Marks = npt.NDArray[np.bool_]

_LONGEST_KEPT = 100  # bytes; longer chunks are rarely met twice
_INLINE = 3  # maximum number of ids in an entry
_BITS, _ID = np.int64(20), np.int64((1 << 20) - 1)
_FIELD, _LENGTH = np.int64(31), np.int64((1 << 31) - 1)
_ROOM = 1 << 15  # initial capacity for chunks and for ids
_TOKENS, _NEXT, _SENTENCE, _WANTED, _STATES = range(5)  # indices in the state array


class Encoded(NamedTuple):
    """Ids of several texts, concatenated.

    Attributes:
        tokens: the ids, 1-D.
        ends: ``int64[n_texts]``, the end of each text in ``tokens``.
        marks: ``bool[n_tokens]``, true where a word starts; None if the pieces show it.
    """

    tokens: Tokens
    ends: Ints
    marks: Marks | None


class ChunkIds(NamedTuple):
    """The arrays of the memory, laid out as in the module docstring."""

    entries: Ints
    ids: Tokens
    marks: Marks


@njit(cache=True, nogil=True)
def _enter(codes: Ints, tokens: Tokens, ends: Ints, marks: Marks, known: ChunkIds, used: int) -> int:
    """Write the entries of some chunks, given their ids, and return the number of ``ids`` in use.

    ``marks`` is empty if word starts are not kept.
    """
    entries, ids, id_marks = known
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
def _gather(
    codes: Codes, code_ends: Ints, known: ChunkIds, tokens: Tokens, word_starts: Marks, ends: Ints, state: Ints
) -> bool:
    """Write the ids of every chunk, the end of each sentence, and where words start.

    Continues from ``state`` and counts the occurrences of each chunk. ``word_starts`` is empty if not needed.

    Returns:
        False if ``tokens`` is too short, else True.
    """
    entries, ids, marks = known
    n, i = state[_TOKENS], state[_NEXT]
    has_marks = len(word_starts) > 0
    for sentence in range(state[_SENTENCE], len(code_ends)):
        while i < code_ends[sentence]:
            entry = entries[codes[i], 0]
            place, length = entry >> (2 + _FIELD), entry >> 2 & _LENGTH
            wanted = _INLINE if entry & 3 else length
            if n + wanted > len(tokens):
                state[_TOKENS], state[_NEXT], state[_SENTENCE], state[_WANTED] = n, i, sentence, wanted
                return False
            entries[codes[i], 1] += 1
            if entry & 3:  # always write three; the next chunk overwrites the excess
                for j in range(_INLINE):
                    tokens[n + j] = entry >> (2 + _BITS * j) & _ID
                    if has_marks:
                        word_starts[n + j] = j == 0
                n += entry & 3
            else:
                for j in range(length):
                    tokens[n + j] = ids[place + j]
                    if has_marks:
                        word_starts[n + j] = marks[place + j]
                n += length
            i += 1
        ends[sentence] = n
    state[_TOKENS] = n
    return True


class Gathered:
    """The ids of batches of sentences, appended one batch after another.

    Args:
        dtype: dtype of the ids.
        room: estimate of the number of ids; the parts of the arrays that are never written use no memory.
        marks_words: whether to gather word starts too.
    """

    def __init__(self, dtype: Any, room: int, *, marks_words: bool) -> None:
        """Allocate the arrays."""
        self._tokens = np.empty(room + _INLINE, dtype)
        self._marks = np.empty(len(self._tokens) if marks_words else 0, np.bool_)
        self._marks_words, self._count = marks_words, 0
        self._ends = [np.zeros(0, np.int64)]

    def take(self, codes: Codes, code_ends: Ints, known: ChunkIds) -> None:
        """Append the ids of chunks, divided into sentences at ``code_ends``."""
        ends, state = np.empty(len(code_ends), np.int64), np.zeros(_STATES, np.int64)
        state[_TOKENS] = self._count
        while not _gather(codes, code_ends, known, self._tokens, self._marks, ends, state):
            least = int(state[_TOKENS] + state[_WANTED]) + _INLINE
            self._tokens = _with_room(self._tokens, least)
            if self._marks_words:
                self._marks = _with_room(self._marks, least)
        self._count = int(state[_TOKENS])
        self._ends.append(ends)

    def encoded(self) -> Encoded:
        """Return all ids gathered so far."""
        marks = self._marks[: self._count] if self._marks_words else None
        return Encoded(self._tokens[: self._count], np.concatenate(self._ends), marks)


class ChunkMemory:
    """The chunks met so far and their ids.

    Args:
        rule: rule for cutting text into chunks.
        dtype: dtype of the ids.
        most_bytes: maximum size of the cache in bytes, enforced by `keep_to_bound`.
        marks_words: whether to keep word starts too.

    Attributes:
        table: the code of every chunk.
        known: number of codes with entries; these are the lowest codes.
    """

    known: int
    _ids: ChunkIds
    _used: int  # elements of the ids in use

    def __init__(self, rule: CutRule, dtype: type[Any], most_bytes: int, *, marks_words: bool) -> None:
        """Create an empty cache."""
        self.table = ChunkTable(rule)
        self._most_bytes, self._marks_words = most_bytes, marks_words
        self._forget(dtype)

    def learn(self, codes: Ints, encoded: Encoded) -> None:
        """Store the ids of these chunks; a later call for the same chunk replaces them."""
        n = len(encoded.tokens)
        entries, ids, marks = self._ids
        self._ids = ChunkIds(
            _with_room(entries, len(self.table)),
            _with_room(ids, self._used + n),
            _with_room(marks, self._used + n),
        )
        new_marks = np.empty(0, np.bool_) if encoded.marks is None else encoded.marks
        self._used = _enter(codes, encoded.tokens, encoded.ends, new_marks, self._ids, self._used)
        self.known = len(self.table)

    def gathered(self, room: int) -> Gathered:
        """Return an empty `Gathered` for about ``room`` ids, for `recall`."""
        return Gathered(self._ids.ids.dtype, room, marks_words=self._marks_words)

    def recall(self, codes: Codes, code_ends: Ints, into: Gathered) -> None:
        """Append the ids of chunks to ``into``, divided into sentences at ``code_ends``."""
        into.take(codes, code_ends, self._ids)

    def keep_to_bound(self) -> None:
        """Drop the rarer half of the chunks, those met once and long ones, if the cache exceeds its maximum."""
        if self.table.nbytes + sum(array.nbytes for array in self._ids) <= self._most_bytes:
            return
        n = self.known
        hits, lengths = self._ids.entries[:n, 1].copy(), np.diff(self.table.starts[: n + 1])
        order = np.argsort(-hits, kind="stable")[: n // 2]
        kept = np.sort(order[(hits[order] > 1) & (lengths[order] <= _LONGEST_KEPT)])
        kept_ids = self.gathered(len(kept))
        self.recall(kept.astype(np.int32), np.arange(1, len(kept) + 1), kept_ids)
        self.table.keep(kept)
        self._forget(self._ids.ids.dtype)
        self.learn(np.arange(len(kept)), kept_ids.encoded())
        self._ids.entries[: len(kept), 1] = hits[kept] // 2

    def _forget(self, dtype: Any) -> None:
        self.known = self._used = 0
        self._ids = ChunkIds(np.zeros((_ROOM, 2), np.int64), np.empty(_ROOM, dtype), np.empty(_ROOM, np.bool_))


def _with_room(array: Any, least: int) -> Any:
    """Return the array, or a copy of at least ``least`` elements, zero after the end of the array."""
    if least <= len(array):
        return array
    longer = np.zeros((max(least, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
