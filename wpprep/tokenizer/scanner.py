"""The scanner: cut UTF-8 text into chunks and give every distinct chunk a small integer, its code.

A tokenizer does the same work again for every "the" in the corpus. The scanner cuts text where the
tokenizer's own rules guarantee ``encode(x + y) == encode(x) + encode(y)``, and looks each chunk up in an
open-addressing hash table; only a chunk never seen before has to be encoded (`encoder`) or normalised
(`wpprep.vocab.counting.counts`). What is safe to cut, and why, stands in `cuts`.

    >>> from wpprep.tokenizer.cut_rule import blank_rule
    >>> table = ChunkTable(blank_rule())
    >>> codes, ends = table.scan(np.frombuffer(b"to be or not to be", np.uint8), np.array([18]))
    >>> codes.tolist(), table.chunks()
    ([0, 1, 2, 3, 0, 1], ['to', 'be', 'or', 'not'])

Two kernels take turns, some thousand chunks each time: `_cut` finds where chunks begin and end, `slots.look_up`
finds their codes. `_scan` calls them, and comes back to Python only for what they cannot do: probe a character,
make room in the table. Meanwhile another thread has the interpreter for itself.

Why it is right: where to cut depends on the classes of two neighbouring characters alone, with one exception
that looks at one byte more (PEEKS). `_chunk_end` says it character by character. `_cut` says the same of 64
bytes at once where all are of the four kinds of plain ASCII, each of which has one class. Keys of chunks
of up to 16 bytes are the chunks themselves; those of longer ones are hashes, and equal keys are followed
by a comparison of the bytes.

Why it is fast: plain text is cut with a few instructions a word, and without a branch that depends on how
long the word is. What takes the time is waiting for memory; so a slot of the hash table is half a cache
line that holds all there is to compare, slots are asked for 64 chunks at a time before they are looked at,
and frequent chunks are met early, so their codes are small and what is kept by code stays in the cache.
"""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit

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
_FOUND_AT_ONCE = 1 << 13  # chunks between `_cut` and `_look_up`: their places stay in the cache
_BLOB_GROWTH = 1 << 18  # bytes beyond a doubling; a longer chunk asks again


@njit(cache=True, nogil=True, inline="always")
def _plain_ahead(text: Bytes, i: np.uint64, plain: Words) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Where chunks start in the 64 bytes from ``i`` on, which of them are blanks, and how many are plain."""
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
    """The end of the chunk that begins at ``position``, 0 if a character of it must be probed."""
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
    """Find chunks from where ``state`` says on: number k is ``text[places[k]:stops[k]]``.

    Comes back when all sentences are done, when ``places`` is full, or, with True, when a character must be
    probed. Sentence s is ``text[begins[s]:ends[s]]``; ``code_ends`` are the ends of the sentences in chunks.
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
                    else:  # the last chunk may go on
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
    """Find chunks and look them up in turns, from where ``state`` says on.

    Comes back when all is done, when the table must grow, or when a character must be probed.
    """
    while True:
        reason = look_up(text, found, table, codes, state)
        if reason != DONE or state[SENTENCE] == len(code_ends):
            return reason
        if _cut(text, sentences, rule, found, code_ends, state):
            return PROBE


@njit(cache=True, nogil=True)
def tally(codes: Codes, weights: Ints, counts: Ints) -> None:
    """Add to ``counts[code]`` the weight of every occurrence; empty ``weights`` mean 1 each."""
    for i in range(len(codes)):
        counts[codes[i]] += weights[i] if len(weights) else 1


class ChunkTable:
    """Distinct chunks under one `rules.CutRule`, numbered in the order in which they were first seen.

    Attributes:
        rule: where text is cut; its classes fill up as characters are probed.
        blob: ``uint8``, the bytes of all chunks one after another (``blob[:starts[len(table)]]`` in use).
        starts: ``int64``, chunk ``c`` is ``blob[starts[c]:starts[c + 1]]``.
    """

    def __init__(self, rule: CutRule, capacity: int = 1 << 16) -> None:
        self.rule = rule
        self._capacity = capacity
        self._found = Spans(np.empty(_FOUND_AT_ONCE, np.int64), np.empty(_FOUND_AT_ONCE, np.int64))
        self.clear()

    def clear(self) -> None:
        """Forget all chunks; the next one seen gets code 0."""
        self._slots = empty_slots(self._capacity)
        self.blob = np.empty(4 * self._capacity, np.uint8)
        self.starts = np.zeros(room_in(self._slots) + 1, np.int64)
        self._count = 0

    def keep(self, codes: Ints) -> None:
        """Forget all chunks but these distinct ones, which are numbered anew in the order given."""
        picked, ends = self._bytes_of(codes)
        self.clear()
        self.add(picked, ends)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._slots.nbytes + self.blob.nbytes + self.starts.nbytes

    def scan(self, text: Bytes, ends: Ints, begins: Ints | None = None) -> tuple[Codes, Ints]:
        """Codes of the chunks of ``text`` (valid UTF-8), cut also at every sentence end.

        Args:
            text: ``uint8[n]``, or longer; it is copied unless PADDING bytes or more come after the last end.
            ends: ``int64[n_sentences]``, ascending offsets into ``text``; the last is ``n``.
            begins: ``int64[n_sentences]``, if sentences do not begin where the one before ends.

        Returns:
            ``int32[n_chunks]`` and, for every sentence, the end of its chunks in that array.
        """
        text = padded(text, int(ends[-1]) if len(ends) else 0)
        codes = np.empty(len(text), np.int32)  # pages never written cost nothing
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
        """Codes of whole chunks, given as their bytes one after another and the ends of each."""
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
        """Make room for what a kernel has come back for."""
        if reason == TABLE_FULL:
            smaller, self._slots = self._slots, empty_slots(len(self._slots) // 2)
            move(smaller, self._slots)
            added = room_in(self._slots) + 1 - len(self.starts)
            self.starts = np.concatenate([self.starts, np.zeros(added, np.int64)])
        else:
            more = np.empty(len(self.blob) + min(bytes_at_hand, _BLOB_GROWTH), np.uint8)
            self.blob = np.concatenate([self.blob, more])

    def chunks(self) -> list[str]:
        """All chunks as strings, in the order of their codes."""
        return self.chunks_of(np.arange(self._count))

    def chunks_of(self, codes: Ints) -> list[str]:
        """The chunks with these codes, as strings."""
        text, edges = self._bytes_of(codes)
        data, places = text.tobytes(), [0, *edges.tolist()]
        return [data[a:b].decode() for a, b in itertools.pairwise(places)]

    def _bytes_of(self, codes: Ints) -> tuple[Bytes, Ints]:
        """The bytes of chunks one after another, and the end of each."""
        lengths = self.starts[codes + 1] - self.starts[codes]
        picked, ends = np.empty(int(lengths.sum()), np.uint8), np.empty(len(codes), np.int64)
        pick(self.blob, self.starts, codes, picked, ends)
        return picked, ends
