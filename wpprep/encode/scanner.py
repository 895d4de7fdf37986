"""The scanner: cut UTF-8 text into chunks and give every distinct chunk a small integer, its code.

A tokenizer does the same work again for every "the" in the corpus. The scanner cuts text where the
tokenizer's own rules guarantee ``encode(x + y) == encode(x) + encode(y)``, and looks each chunk up in an
open-addressing hash table; only a chunk never seen before has to be encoded (`encoder`) or normalised
(`wpprep.vocab.counts`). What is safe to cut, and why, stands in `cuts`.

    >>> table = ChunkTable(blank_rule())
    >>> codes, ends = table.scan(np.frombuffer(b"to be or not to be", np.uint8), np.array([18]))
    >>> codes.tolist(), table.chunks()
    ([0, 1, 2, 3, 0, 1], ['to', 'be', 'or', 'not'])

Two kernels take turns, some thousand chunks each time: `_cut` finds where chunks begin and end, `_look_up`
finds their codes.

Why it is fast: letters are passed eight at a time, so that a common word costs two loads and no loop. A
chunk of up to 16 bytes *is* its key, so most are compared with two instructions. What takes the time is
waiting for memory; so a slot of the hash table is half a cache line that holds all there is to compare,
it is asked for 16 chunks before it is needed, and frequent chunks are met early, so their codes are small
and what is kept by code stays in the cache.

Why it is right: keys of longer chunks are hashes, and equal keys are followed by a comparison of the
bytes. Where to cut depends on the classes of two neighbouring characters alone, with one exception that
looks at one byte more (PEEKS).

    slots   uint64[4 * capacity]   [ 8 bytes | the other bytes or their hash | code + 1 : 32, length : 32 |
                                     place in blob ] ...   an entry of 0: empty; at most half are full
    blob    uint8[]                the bytes of all distinct chunks, one after another
    starts  int64[]                chunk ``code`` is blob[starts[code]:starts[code + 1]]
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from wpprep.records import Ints

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Slots = npt.NDArray[np.uint64]

# Character classes with a meaning of their own for the kernel; rules may add others from FIRST_FREE on.
#   BLANK     white space; chunks of it are left out if the rule drops blanks
#   ORDINARY  part of a word
#   PEEKS     an ASCII character that is ORDINARY when a byte above 127 follows it
#   UNPROBED  not known yet: the kernel comes back and asks the rule
BLANK, ORDINARY, PEEKS, UNPROBED, FIRST_FREE = range(5)
CLASSES = 16  # rows and columns of the table of cuts
CODE_POINTS = 0x110000
KNOWN = 256  # code points that a rule must know from the start
PADDING = 8  # bytes behind the text that may be read (and mean nothing)

# Places in the state array: what one call of the kernel hands to the next.
_SENTENCE, _POSITION, _FOUND, _LOOKED_UP, _CODES, _CHUNKS, _STATES = range(7)
# Why a kernel came back.
_DONE, _FULL, _TABLE_FULL, _BLOB_FULL, _PROBE = range(5)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW, _ALL = np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF)
_FOUND_AT_ONCE = 1 << 14  # chunks between `_cut` and `_look_up`: their places stay in the cache
_AHEAD = 16  # chunks; a power of two
_LOOK_AHEAD = 1 << 16  # bytes in which characters to probe are looked for at once
_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_CASE, _TO_A, _TO_Z = (
    np.uint64(0x2020202020202020),
    np.uint64(0x1F1F1F1F1F1F1F1F),
    np.uint64(0x0505050505050505),
)


@dataclass(frozen=True)
class CutRule:
    """Where one tokenizer's text may be cut.

    Attributes:
        name: names the rule, for messages and manifests.
        classes: ``uint8[0x110000]``, the class of every code point, UNPROBED where not known yet; the first
            256 (KNOWN) are known, and ASCII letters share one class.
        cuts: ``uint8[16 * 16]``, 1 at ``16 * a + b`` where text may be cut between the classes a and b.
        drops_blanks: whether chunks of blanks are left out (the tokenizer drops them too).
        probe: gives the classes of characters.
    """

    name: str
    classes: Bytes
    cuts: Bytes
    drops_blanks: bool
    probe: Callable[[list[str]], Bytes]

    @property
    def identity(self) -> str:
        """The sha256 of what the rule does to ASCII, for comparing rules across runs."""
        return hashlib.sha256(
            self.name.encode() + self.classes[:128].tobytes() + self.cuts.tobytes()
        ).hexdigest()


def blank_rule() -> CutRule:
    """Cut at the four ASCII blanks only: the plainest rule, safe for every BERT-like tokenizer."""
    classes = np.full(CODE_POINTS, ORDINARY, np.uint8)
    classes[[ord(blank) for blank in " \t\n\r"]] = BLANK
    cuts = np.zeros((CLASSES, CLASSES), np.uint8)
    cuts[BLANK, ORDINARY] = cuts[ORDINARY, BLANK] = 1
    return CutRule(
        "blanks",
        classes,
        cuts.ravel(),
        drops_blanks=True,
        probe=lambda characters: classes[list(map(ord, characters))],
    )


def _generate_load(_: Any, text: Any, i: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(text, i), generate


def _generate_prefetch(_: Any, array: Any, i: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(values.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        call: Any = cgutils.get_or_insert_function
        to_read, in_all_caches, data = number(0), number(3), number(1)
        builder.call(call(builder.module, kind, "llvm.prefetch.p0i8"), [place, to_read, in_all_caches, data])
        return context.get_dummy_value()

    return types.void(array, i), generate


# eight_bytes(text, i): text[i:i + 8] as one number, the first byte lowest; one load, aligned or not.
# _prefetch(array, i): asks the processor for the cache line of array[i]; nothing waits for it.
eight_bytes: Any = intrinsic(_generate_load)
_prefetch: Any = intrinsic(_generate_prefetch)


@njit(cache=True, nogil=True, inline="always")
def _letters_ahead(text: Bytes, i: np.uint64) -> np.uint64:
    """How many of the 8 bytes from ``i`` on are ASCII letters before the first that is none.

    Each byte is compared by an addition that carries into its own highest bit.
    """
    word = eight_bytes(text, i)
    low = (word | _CASE) & ~_HIGHS
    others = (~(low + _TO_A) | (low + _TO_Z) | word) & _HIGHS
    before = (others - np.uint64(1)) & ~others
    return np.uint64((((before & _HIGHS) >> np.uint64(7)) * _ONES) >> np.uint64(56))


@njit(cache=True, nogil=True, inline="always")
def code_point_at(text: Bytes, i: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The code point of the multi-byte character at byte ``i`` of valid UTF-8, and its width in bytes."""
    lead, low = np.uint64(text[i]), np.uint8(0x3F)
    value, width = (lead & np.uint64(0x1F)) << np.uint64(6) | np.uint64(text[i + 1] & low), np.uint64(2)
    if lead >= 0xE0:
        value, width = value << np.uint64(6) | np.uint64(text[i + 2] & low), np.uint64(3)
        if lead >= 0xF0:
            value, width = value << np.uint64(6) | np.uint64(text[i + 3] & low), np.uint64(4)
            return value & np.uint64(0x1FFFFF), width
        return value & np.uint64(0xFFFF), width
    return value, width


@njit(cache=True, nogil=True)
def _cut(
    text: Bytes, ends: Ints, classes: Bytes, cuts: Bytes, drops_blanks: bool,
    places: Ints, stops: Ints, code_ends: Ints, state: Ints,
) -> int:  # fmt: skip
    """Find chunks from where ``state`` says on: number k is ``text[places[k]:stops[k]]``.

    Comes back when all sentences are done, when ``places`` is full, or when a character must be probed.
    ``ends`` are the ends of the sentences in ``text``, in bytes; ``code_ends`` those in chunks.
    """
    letters = np.uint64(classes[97])
    position, sentence, n = np.uint64(state[_POSITION]), state[_SENTENCE], state[_FOUND]
    before = state[_CODES]
    while sentence < len(ends):
        stop = np.uint64(ends[sentence])
        while position < stop:
            if drops_blanks and classes[text[position]] == BLANK:  # these are ASCII
                position += np.uint64(1)
                continue
            reason = _FULL if n == len(places) else _DONE
            i, previous = position, np.uint64(0)
            while i < stop and reason == _DONE:
                width = np.uint64(1)
                if text[i] < 128:
                    class_ = np.uint64(classes[text[i]])
                    if class_ == PEEKS and i + np.uint64(1) < stop and text[i + np.uint64(1)] >= 128:
                        class_ = np.uint64(ORDINARY)
                else:
                    code_point, width = code_point_at(text, i)
                    class_ = np.uint64(classes[code_point])
                    if class_ == UNPROBED:
                        reason = _PROBE
                        break
                if i > position and cuts[previous << np.uint64(4) | class_]:
                    break
                previous = class_
                i += width
                if class_ == letters:
                    i = min(stop, i + _letters_ahead(text, i))
            if reason != _DONE:
                state[_POSITION], state[_SENTENCE], state[_FOUND] = np.int64(position), sentence, n
                return reason
            places[n], stops[n] = np.int64(position), np.int64(i)
            n += 1
            position = i
        code_ends[sentence] = before + n
        sentence += 1
    state[_POSITION], state[_SENTENCE], state[_FOUND] = np.int64(position), sentence, n
    return _DONE


@njit(cache=True, nogil=True)
def _unknown(text: Bytes, start: int, stop: int, table: Any, unprobed: int, known: int, found: Ints) -> int:
    """List the distinct code points in ``text[start:stop]`` that the table does not know, and mark them."""
    i, n = np.uint64(start), 0
    while i < stop:
        code_point, width = np.uint64(text[i]), np.uint64(1)
        if code_point >= 128:
            code_point, width = code_point_at(text, i)
        if table[code_point] == unprobed:
            table[code_point] = known
            found[n] = code_point
            n += 1
        i += width
    return n


def unknown_characters(text: Bytes, start: int, stop: int, table: Any, unprobed: int, known: int) -> list[str]:
    """The characters of ``text`` from ``start`` to about ``stop`` that the table does not know yet.

    They get the entry ``known`` until the caller, who probes them all at once, puts the right one there.
    """
    found = np.empty(stop - start, np.int64)
    n = _unknown(text, start, stop, table, unprobed, known, found)
    return [chr(code_point) for code_point in found[:n].tolist()]


@njit(cache=True, nogil=True, inline="always")
def _key(text: Bytes, start: np.uint64, length: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Two numbers that tell chunks of up to 16 bytes apart: 8 bytes, and the others or their hash."""
    if length <= 8:
        return eight_bytes(text, start) & (_ALL >> ((np.uint64(8) - length) << np.uint64(3))), np.uint64(0)
    first, rest, i = eight_bytes(text, start), np.uint64(0), np.uint64(8)
    while length - i > 8:
        rest = (rest ^ eight_bytes(text, start + i)) * _MULTIPLIER
        rest ^= rest >> np.uint64(29)
        i += np.uint64(8)
    shift = (np.uint64(8) - (length - i)) << np.uint64(3)
    return first, rest ^ (eight_bytes(text, start + i) & (_ALL >> shift))


@njit(cache=True, nogil=True, inline="always")
def _home(first: np.uint64, rest: np.uint64, mask: np.uint64) -> np.uint64:
    """The slot where the search for a key begins; every bit of the key reaches it."""
    product = (first ^ rest * _SECOND) * _MULTIPLIER
    return (product ^ product >> np.uint64(32)) & mask


@njit(cache=True, nogil=True, inline="always")
def _is_chunk(blob: Bytes, begin: np.uint64, text: Bytes, start: np.uint64, length: np.uint64) -> bool:
    """Whether ``length`` bytes, more than 8, are equal."""
    i, last = np.uint64(0), length - np.uint64(8)
    while i < last and eight_bytes(blob, begin + i) == eight_bytes(text, start + i):
        i += np.uint64(8)
    return bool(i >= last and eight_bytes(blob, begin + last) == eight_bytes(text, start + last))


@njit(cache=True, nogil=True)
def _look_up(
    text: Bytes, places: Ints, stops: Ints, slots: Slots, blob: Bytes, starts: Ints, codes: Codes, state: Ints
) -> int:
    """Codes of the chunks ``text[places[k]:stops[k]]``, new ones appended to the table.

    Goes on from where ``state`` says until all are done or the table must grow. What `_home` says of a
    chunk is asked for some chunks ahead, so that the memory has answered when its turn comes.
    """
    room = min(len(slots) // 8, len(starts) - 1)  # the table stays at most half full
    mask = np.uint64(len(slots) // 4 - 1)
    n, count, looked_up = state[_FOUND], state[_CHUNKS], state[_LOOKED_UP]
    base = state[_CODES]
    homes = np.empty(_AHEAD, np.uint64)
    firsts, rests = np.empty(_AHEAD, np.uint64), np.empty(_AHEAD, np.uint64)
    for k in range(looked_up, n + _AHEAD):
        # 1. Ask for the slot of chunk k.
        turn = k & (_AHEAD - 1)
        now = k - _AHEAD
        first, rest, slot = firsts[turn], rests[turn], homes[turn]
        if k < n:
            start = np.uint64(places[k])
            firsts[turn], rests[turn] = _key(text, start, np.uint64(stops[k]) - start)
            homes[turn] = _home(firsts[turn], rests[turn], mask)
            _prefetch(slots, 4 * homes[turn])
        if now < looked_up:
            continue
        # 2. Look up the chunk that was asked for before.
        start, length = np.uint64(places[now]), np.uint64(stops[now] - places[now])
        while True:
            entry = slots[4 * slot + np.uint64(2)]
            if entry == 0:
                break
            is_equal = slots[4 * slot] == first and slots[4 * slot + np.uint64(1)] == rest
            if (
                is_equal
                and (entry & _LOW) == length
                and (length <= 16 or _is_chunk(blob, slots[4 * slot + np.uint64(3)], text, start, length))
            ):
                break
            slot = (slot + np.uint64(1)) & mask
        # 3. Give it the next code if it is new.
        if entry == 0:
            if count == room or starts[count] + np.int64(length) > len(blob):
                state[_LOOKED_UP], state[_CHUNKS] = now, count
                return _TABLE_FULL if count == room else _BLOB_FULL
            begin = starts[count]
            for i in range(np.int64(length)):
                blob[begin + i] = text[start + np.uint64(i)]
            starts[count + 1] = begin + np.int64(length)
            count += 1
            entry = np.uint64(count) << np.uint64(32) | length
            slots[4 * slot], slots[4 * slot + np.uint64(1)] = first, rest
            slots[4 * slot + np.uint64(2)], slots[4 * slot + np.uint64(3)] = entry, np.uint64(begin)
        codes[base + now] = np.int64(entry >> np.uint64(32)) - 1
    state[_LOOKED_UP], state[_CHUNKS] = 0, count
    state[_CODES], state[_FOUND] = base + n, 0
    return _DONE


@njit(cache=True, nogil=True)
def _doubled(slots: Slots) -> Slots:
    """The table with twice the capacity."""
    doubled = np.zeros(2 * len(slots), np.uint64)
    mask = np.uint64(len(doubled) // 4 - 1)
    for i in range(0, len(slots), 4):
        if slots[i + 2] != 0:
            slot = _home(slots[i], slots[i + 1], mask)
            while doubled[4 * slot + np.uint64(2)] != 0:
                slot = (slot + np.uint64(1)) & mask
            for j in range(4):
                doubled[4 * slot + np.uint64(j)] = slots[i + j]
    return doubled


@njit(cache=True, nogil=True)
def _pick(blob: Bytes, starts: Ints, codes: Ints, picked: Bytes, ends: Ints) -> None:
    """Copy the chunks with these codes one after another into ``picked``; ``ends`` is filled."""
    n = 0
    for k in range(len(codes)):
        for i in range(starts[codes[k]], starts[codes[k] + 1]):
            picked[n] = blob[i]
            n += 1
        ends[k] = n


@njit(cache=True, nogil=True)
def tally(codes: Codes, weights: Ints, counts: Ints) -> None:
    """Add to ``counts[code]`` the weight of every occurrence; empty ``weights`` mean 1 each."""
    for i in range(len(codes)):
        counts[codes[i]] += weights[i] if len(weights) else 1


class ChunkTable:
    """Distinct chunks under one `CutRule`, numbered in the order in which they were first seen.

    Attributes:
        rule: where text is cut; its classes fill up as characters are probed.
        blob: ``uint8``, the bytes of all chunks one after another (``blob[:starts[len(table)]]`` in use).
        starts: ``int64``, chunk ``c`` is ``blob[starts[c]:starts[c + 1]]``.
    """

    def __init__(self, rule: CutRule, capacity: int = 1 << 16) -> None:
        self.rule = rule
        self._capacity = capacity
        self._places, self._stops = np.empty(_FOUND_AT_ONCE, np.int64), np.empty(_FOUND_AT_ONCE, np.int64)
        self.clear()

    def clear(self) -> None:
        """Forget all chunks; the next one seen gets code 0."""
        self._slots = np.zeros(4 * self._capacity, np.uint64)
        self.blob = np.empty(4 * self._capacity, np.uint8)
        self.starts = np.zeros(self._capacity // 2 + 1, np.int64)
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

    def scan(self, text: Bytes, ends: Ints) -> tuple[Codes, Ints]:
        """Codes of the chunks of ``text`` (valid UTF-8), cut also at every sentence end.

        Args:
            text: ``uint8[n]``, or longer; it is copied unless 8 bytes or more come after the last end.
            ends: ``int64[n_sentences]``, ascending offsets into ``text``; the last is ``n``.

        Returns:
            ``int32[n_chunks]`` and, for every sentence, the end of its chunks in that array.
        """
        text = _padded(text, int(ends[-1]) if len(ends) else 0)
        codes = np.empty(len(text), np.int32)  # pages never written cost nothing
        code_ends = np.empty(len(ends), np.int64)
        state = np.zeros(_STATES, np.int64)
        rule, reason = self.rule, _FULL
        while reason != _DONE:
            reason = _cut(
                text, ends, rule.classes, rule.cuts, rule.drops_blanks,
                self._places, self._stops, code_ends, state,
            )  # fmt: skip
            if reason == _PROBE:
                start = int(state[_POSITION])
                stop = min(int(ends[-1]), start + _LOOK_AHEAD)
                new = unknown_characters(text, start, stop, rule.classes, UNPROBED, ORDINARY)
                rule.classes[list(map(ord, new))] = rule.probe(new)
            else:
                self._look_up(text, self._places, self._stops, codes, state)
        return codes[: state[_CODES]], code_ends

    def add(self, chunks: Bytes, ends: Ints) -> Codes:
        """Codes of whole chunks, given as their bytes one after another and the ends of each."""
        chunks = _padded(chunks, int(ends[-1]) if len(ends) else 0)
        codes = np.empty(len(ends), np.int32)
        state = np.zeros(_STATES, np.int64)
        state[_FOUND] = len(ends)
        self._look_up(chunks, np.concatenate([[0], ends[:-1]]), ends, codes, state)
        return codes

    def _look_up(self, text: Bytes, places: Ints, stops: Ints, codes: Codes, state: Ints) -> None:
        """Run the kernel of that name to its end, making room in the table when it asks for it."""
        state[_CHUNKS] = self._count
        while (
            reason := _look_up(text, places, stops, self._slots, self.blob, self.starts, codes, state)
        ) != _DONE:
            if reason == _TABLE_FULL:
                self._slots = _doubled(self._slots)
                self.starts = np.concatenate([self.starts, np.zeros(len(self.starts) - 1, np.int64)])
            else:
                self.blob = np.concatenate([self.blob, np.empty(len(self.blob) + len(text), np.uint8)])
        self._count = int(state[_CHUNKS])

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
        _pick(self.blob, self.starts, codes, picked, ends)
        return picked, ends


def _padded(text: Bytes, used: int) -> Bytes:
    """The text with at least PADDING bytes after the first ``used`` ones."""
    if len(text) >= used + PADDING:
        return text
    return np.concatenate([text, np.zeros(PADDING, np.uint8)])
