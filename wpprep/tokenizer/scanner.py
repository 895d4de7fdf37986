"""Scanner: cut UTF-8 text into chunks and assign a small integer, its code, to every distinct chunk.

A tokenizer repeats the same work for every "the" in the corpus. The scanner cuts text where the tokenizer's
rules guarantee ``encode(x + y) == encode(x) + encode(y)``, and looks every chunk up in an open-addressing hash
table (`hash_table`); only new chunks must be encoded (`encoder`) or normalised
(`wpprep.vocab.counting.counts`). `safe_cuts` explains where cutting is safe, and why.

    >>> from wpprep.tokenizer.cut_rule import blank_rule
    >>> table = ChunkTable(blank_rule())
    >>> codes, ends = table.scan(np.frombuffer(b"to be or not to be", np.uint8), np.array([18]))
    >>> codes.tolist(), table.chunks()
    ([0, 1, 2, 3, 0, 1], ['to', 'be', 'or', 'not'])

Two kernels run alternately, for some thousand chunks each time: `_cut` finds where chunks begin and end, and
`hash_table.look_up` finds their codes. `_scan` calls both, and returns to Python only to probe a character or
to enlarge the table. The kernels release the interpreter lock.

Correctness: a cut depends only on the classes of two neighbouring characters, except that PEEKS depends on one
byte more. `_chunk_end` decides this character by character. `_cut` decides the same for 64 bytes at once if all
are of the four kinds of plain ASCII, each of which has one class. Keys of chunks of up to 16 bytes are the
chunks themselves; those of longer ones are hashes, and after equal keys the bytes are compared.

Speed: plain text is cut with a few instructions per word and no branch that depends on the length of the word.
Most time is spent waiting for memory. So a slot of the hash table is half a cache line with everything to
compare, and slots are prefetched for 64 chunks before the first is read. Frequent chunks are met early and have
small codes, so arrays indexed by code stay in the cache. The price is memory for every distinct chunk, which
`ChunkTable.keep` can reduce.
"""

from __future__ import annotations

import itertools

import numpy as np

from wpprep.kernels import njit
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.cut_rule import BLANK, ODD_FIRST, ODD_LAST, ORDINARY, PEEKS, UNPROBED, CutRule, RuleTables
from wpprep.tokenizer.hash_table import (
    CHUNKS,
    CODES,
    DONE,
    FOUND,
    POSITION,
    PROBE,
    SENTENCE,
    STATES,
    TABLE_FULL,
    Codes,
    Spans,
    Table,
    Words,
    empty_slots,
    look_up,
    move,
    pick,
    room_in,
)
from wpprep.tokenizer.utf8 import between, code_point_at, highest_bit, lowest_bit, padded, unknown_characters

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE, _AT_ONCE = np.uint64(1), np.uint64(64)
_FOUND_AT_ONCE = 1 << 13  # maximum number of chunks between `_cut` and `look_up`; they fit in the cache
_BLOB_GROWTH = 1 << 18  # maximum number of bytes added to a doubled blob; a longer chunk enlarges it again


@njit(cache=True, nogil=True, inline="always")
def _plain_ahead(text: Bytes, i: np.uint64, plain: Words) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return, for the 64 bytes from ``i`` on, the chunk starts, the blanks, and how many are plain."""
    letters = between(text, i, 97, 122) | between(text, i, 65, 90)
    digits = between(text, i, 48, 57)
    blanks = between(text, i, 32, 32) | between(text, i, 9, 10) | between(text, i, 13, 13)
    marks = between(text, i, 33, 126) & ~(letters | digits)
    odd = between(text, i, plain[ODD_FIRST], plain[ODD_LAST])
    after_letter, after_digit = letters << _ONE, digits << _ONE
    after_blank, after_mark = blanks << _ONE, marks << _ONE
    hangs = np.uint64(0)
    for kind, here in enumerate((letters, digits, blanks, marks)):
        hangs |= here & (
            after_letter & plain[kind]
            | after_digit & plain[4 + kind]
            | after_blank & plain[8 + kind]
            | after_mark & plain[12 + kind]
        )
    return ~hangs, blanks, lowest_bit(~(letters | digits | blanks | marks) | odd)


@njit(cache=True, nogil=True, inline="always")
def _chunk_end(text: Bytes, position: np.uint64, stop: np.uint64, classes: Bytes, cuts: Bytes) -> np.uint64:
    """Return the end of the chunk that begins at ``position``, 0 if one of its characters must be probed."""
    i, previous = position, np.uint64(0)
    while i < stop:
        width = _ONE
        if text[i] < 128:
            class_ = np.uint64(classes[text[i]])
            if class_ == PEEKS and i + _ONE < stop and text[i + _ONE] >= 128:
                class_ = np.uint64(ORDINARY)
        else:
            code_point, width = code_point_at(text, i)
            class_ = np.uint64(classes[code_point])
            if class_ == UNPROBED:
                return np.uint64(0)
        if i > position and cuts[previous << np.uint64(4) | class_]:
            return i
        previous = class_
        i += width
    return i


@njit(cache=True, nogil=True)
def _cut(text: Bytes, sentences: Spans, rule: RuleTables, found: Spans, code_ends: Ints, state: Ints) -> bool:
    """Find chunks of the sentences, continuing from ``state``.

    Returns when all sentences are done, when ``found`` is full, or when a character must be probed. Writes the
    end of every sentence, in chunks, to ``code_ends``.

    Returns:
        Whether a character must be probed.
    """
    begins, ends = sentences
    classes, cuts, plain, drops_blanks = rule
    places, stops = found
    dropped = _ALL if drops_blanks else np.uint64(0)
    position, sentence, n = np.uint64(state[POSITION]), state[SENTENCE], state[FOUND]
    before, is_unknown = state[CODES], False
    while sentence < len(ends):
        stop = np.uint64(ends[sentence])
        while position < stop:
            if n + 64 > len(places):
                break
            # 1. The chunks that end among the next 64 bytes, as far as these are plain.
            if text[position] < 128:
                starts, blanks, reach = _plain_ahead(text, position, plain)
                reach = min(reach, stop - position)
                is_end = position + reach == stop
                next_ = stop
                if reach > 0:
                    starts &= _ALL >> (_AT_ONCE - reach)
                    lasts = starts >> _ONE
                    if is_end:
                        lasts |= _ONE << (reach - _ONE)
                    else:  # the last chunk may continue after these bytes
                        open_ = highest_bit(starts)
                        starts ^= _ONE << open_
                        next_ = position + open_
                    starts &= ~(blanks & dropped)
                    lasts &= ~(blanks & dropped)
                    while starts != 0:
                        places[n] = np.int64(position + lowest_bit(starts))
                        stops[n] = np.int64(position + lowest_bit(lasts) + _ONE)
                        n += 1
                        starts &= starts - _ONE
                        lasts &= lasts - _ONE
                    is_one_chunk = next_ == position
                    position = next_
                    if is_end or (reach == 64 and not is_one_chunk):
                        continue
            # 2. One chunk of any other kind.
            if drops_blanks and classes[text[position]] == BLANK:  # these are ASCII
                position += _ONE
                continue
            end = _chunk_end(text, position, stop, classes, cuts)
            if end == 0:
                is_unknown = True
                break
            places[n], stops[n] = np.int64(position), np.int64(end)
            n += 1
            position = end
        if position < stop:
            break
        code_ends[sentence] = before + n
        sentence += 1
        if sentence < len(ends):
            position = np.uint64(begins[sentence])
    state[POSITION], state[SENTENCE], state[FOUND] = np.int64(position), sentence, n
    return is_unknown


@njit(cache=True, nogil=True)
def _scan(
    text: Bytes, sentences: Spans, rule: RuleTables, found: Spans, table: Table, codes: Codes,
    code_ends: Ints, state: Ints,
) -> int:  # fmt: skip
    """Find chunks and look them up, alternately, continuing from ``state``.

    Returns:
        DONE, TABLE_FULL, BLOB_FULL, or PROBE if a character must be probed.
    """
    while True:
        reason = look_up(text, found, table, codes, state)
        if reason != DONE or state[SENTENCE] == len(code_ends):
            return reason
        if _cut(text, sentences, rule, found, code_ends, state):
            return PROBE


@njit(cache=True, nogil=True)
def tally(codes: Codes, weights: Ints, counts: Ints) -> None:
    """Add to ``counts[code]`` the weight of every occurrence; empty ``weights`` mean a weight of 1."""
    for i in range(len(codes)):
        counts[codes[i]] += weights[i] if len(weights) else 1


class ChunkTable:
    """Distinct chunks under one `CutRule`, numbered in the order in which they were first seen.

    Attributes:
        rule: rule for where text is cut; its classes are filled in as characters are probed.
        blob: ``uint8``, the bytes of all chunks concatenated (``blob[:starts[len(table)]]`` in use).
        starts: ``int64``, chunk ``c`` is ``blob[starts[c]:starts[c + 1]]``.
    """

    def __init__(self, rule: CutRule, capacity: int = 1 << 16) -> None:
        """Create an empty table with this number of slots, a power of two; it grows as needed."""
        self.rule = rule
        self._capacity = capacity
        self._found = Spans(np.empty(_FOUND_AT_ONCE, np.int64), np.empty(_FOUND_AT_ONCE, np.int64))
        self.clear()

    def clear(self) -> None:
        """Remove all chunks; the next new one gets code 0."""
        self._slots = empty_slots(self._capacity)
        self.blob = np.empty(4 * self._capacity, np.uint8)
        self.starts = np.zeros(room_in(self._slots) + 1, np.int64)
        self._count = 0

    def keep(self, codes: Ints) -> None:
        """Remove all chunks except these distinct ones, which are renumbered in the given order."""
        picked, ends = self._bytes_of(codes)
        self.clear()
        self.add(picked, ends)

    def __len__(self) -> int:
        """Return the number of distinct chunks."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory used, in bytes."""
        return self._slots.nbytes + self.blob.nbytes + self.starts.nbytes

    def scan(self, text: Bytes, ends: Ints, begins: Ints | None = None) -> tuple[Codes, Ints]:
        """Return the codes of the chunks of ``text``, which is also cut at every sentence end.

        Args:
            text: ``uint8[n]`` or longer, valid UTF-8; copied unless PADDING bytes or more follow the last end.
            ends: ``int64[n_sentences]``, ascending offsets into ``text``; the last is ``n``.
            begins: ``int64[n_sentences]``; by default every sentence begins at the end of the previous one.

        Returns:
            ``int32[n_chunks]`` and, for every sentence, the end of its chunks in that array.
        """
        text = padded(text, int(ends[-1]) if len(ends) else 0)
        codes = np.empty(len(text), np.int32)  # pages never written use no memory
        code_ends = np.empty(len(ends), np.int64)
        if begins is None:
            begins = np.concatenate([[0], ends[:-1]])
        state = np.zeros(STATES, np.int64)
        state[POSITION], state[CHUNKS] = begins[0], self._count
        rule, sentences = self.rule, Spans(begins, ends)
        while (
            reason := _scan(text, sentences, rule.tables, self._found, self._table(), codes, code_ends, state)
        ) != DONE:
            if reason == PROBE:
                start = int(state[POSITION])
                new = unknown_characters(text, start, int(ends[-1]), rule.classes, UNPROBED, ORDINARY)
                rule.classes[list(map(ord, new))] = rule.probe(new)
            else:
                self._make_room(reason, len(text))
        self._count = int(state[CHUNKS])
        return codes[: state[CODES]], code_ends

    def add(self, chunks: Bytes, ends: Ints) -> Codes:
        """Return the codes of whole chunks, ``int32[n]``, given their concatenated bytes and their ends."""
        chunks = padded(chunks, int(ends[-1]) if len(ends) else 0)
        codes = np.empty(len(ends), np.int32)
        state = np.zeros(STATES, np.int64)
        state[FOUND], state[CHUNKS] = len(ends), self._count
        whole = Spans(np.concatenate([[0], ends[:-1]]), ends)
        while (reason := look_up(chunks, whole, self._table(), codes, state)) != DONE:
            self._make_room(reason, len(chunks))
        self._count = int(state[CHUNKS])
        return codes

    def _table(self) -> Table:
        return Table(self._slots, self.blob, self.starts)

    def _make_room(self, reason: int, bytes_at_hand: int) -> None:
        """Enlarge the array that was full when a kernel returned."""
        if reason == TABLE_FULL:
            smaller, self._slots = self._slots, empty_slots(len(self._slots) // 2)
            move(smaller, self._slots)
            added = room_in(self._slots) + 1 - len(self.starts)
            self.starts = np.concatenate([self.starts, np.zeros(added, np.int64)])
        else:
            more = np.empty(len(self.blob) + min(bytes_at_hand, _BLOB_GROWTH), np.uint8)
            self.blob = np.concatenate([self.blob, more])

    def chunks(self) -> list[str]:
        """Return all chunks as strings, in the order of their codes."""
        return self.chunks_of(np.arange(self._count))

    def chunks_of(self, codes: Ints) -> list[str]:
        """Return the chunks with these codes as strings."""
        text, edges = self._bytes_of(codes)
        data, places = text.tobytes(), [0, *edges.tolist()]
        return [data[a:b].decode() for a, b in itertools.pairwise(places)]

    def _bytes_of(self, codes: Ints) -> tuple[Bytes, Ints]:
        """Return the bytes of chunks concatenated, and the end of each."""
        lengths = self.starts[codes + 1] - self.starts[codes]
        picked, ends = np.empty(int(lengths.sum()), np.uint8), np.empty(len(codes), np.int64)
        pick(self.blob, self.starts, codes, picked, ends)
        return picked, ends
