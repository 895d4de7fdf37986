"""The scanner: cut UTF-8 text into chunks and give every distinct chunk a small integer, its code.

A tokenizer does the same work again for every "the" in the corpus. The scanner cuts text where the
tokenizer's own rules guarantee ``encode(x + y) == encode(x) + encode(y)``, and looks each chunk up in an
open-addressing hash table; only a chunk never seen before has to be encoded (`encoder`) or normalised
(`wpprep.vocab.counts`). What is safe to cut, and why, stands in `cuts`.

    >>> table = ChunkTable(blank_rule())
    >>> codes, ends = table.scan(np.frombuffer(b"to be or not to be", np.uint8), np.array([18]))
    >>> codes.tolist(), table.chunks()
    ([0, 1, 2, 3, 0, 1], ['to', 'be', 'or', 'not'])

How it is fast: one pass over the bytes; a chunk of up to 8 bytes *is* its 64-bit key, so most chunks are
compared with one instruction; a slot holds key, code and length side by side, so a hit costs one
cache line. How it is right: keys of longer chunks are hashes, and equal hashes are followed by a
comparison of the bytes.

    slots   uint64[2 * capacity]   [ key | code + 1 << 32 | length ] ...   0: empty
    blob    uint8[]                the bytes of all distinct chunks, one after another
    starts  int64[]                chunk ``code`` is blob[starts[code]:starts[code + 1]]
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.records import Ints

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Slots = npt.NDArray[np.uint64]

# Character classes with a meaning of their own for the kernel; rules may add others from FIRST_FREE on.
BLANK, ORDINARY, JOINER, UNPROBED, FIRST_FREE = range(5)
CLASSES = 16  # rows and columns of the table of cuts
CODE_POINTS = 0x110000
BLOCK = 256  # code points that are probed together

# Places in the state array: what one call of the kernel hands to the next.
_SENTENCE, _POSITION, _RUN_START, _RUN_CODES, _CODES, _CHUNKS, _WHOLE, _CODE_POINT = range(8)
# Why the kernel came back.
_DONE, _TABLE_FULL, _BLOB_FULL, _PROBE = range(4)

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class CutRule:
    """Where one tokenizer's text may be cut.

    Attributes:
        name: names the rule, for messages and manifests.
        classes: ``uint8[0x110000]``, the class of every code point, UNPROBED where not known yet.
        cuts: ``uint8[16 * 16]``, 1 at ``16 * a + b`` where text may be cut between the classes a and b.
        drops_blanks: whether chunks of blanks are left out (the tokenizer drops them too).
        probe: gives the classes of 256 code points from the given one on.
    """

    name: str
    classes: Bytes
    cuts: Bytes
    drops_blanks: bool
    probe: Callable[[int], Bytes]

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
        "blanks", classes, cuts.ravel(), drops_blanks=True, probe=lambda first: classes[first : first + BLOCK]
    )


@njit(cache=True, nogil=True, inline="always")
def _code_point(text: Bytes, i: np.uint64) -> tuple[np.uint64, np.uint64]:
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


@njit(cache=True, nogil=True, inline="always")
def _find(
    slots: Slots, blob: Bytes, starts: Ints, text: Bytes, start: np.uint64, length: np.uint64, key: np.uint64
) -> tuple[np.int64, np.uint64]:
    """The code of the chunk ``text[start:start + length]``, or -1, and its slot or the free one for it."""
    mask = np.uint64(len(slots) // 2 - 1)
    slot = (key * _MULTIPLIER >> np.uint64(20)) & mask
    code = np.int64(-1)
    while True:
        entry = slots[2 * slot + np.uint64(1)]
        if entry == 0:
            break
        if slots[2 * slot] == key and (entry & _LOW) == length:
            code = np.int64(entry >> np.uint64(32)) - 1
            if length <= 8:
                break
            i, first = np.uint64(0), np.uint64(starts[code])
            while i < length and blob[first + i] == text[start + i]:
                i += np.uint64(1)
            if i == length:
                break
            code = np.int64(-1)
        slot = (slot + np.uint64(1)) & mask
    return code, slot


@njit(cache=True, nogil=True, inline="always")
def _append(
    slots: Slots, blob: Bytes, starts: Ints, text: Bytes, start: np.uint64, length: np.uint64,
    key: np.uint64, slot: np.uint64, code: np.int64,
) -> None:  # fmt: skip
    """Give the chunk ``text[start:start + length]`` the next code and the free slot."""
    first = np.uint64(starts[code])
    for i in range(length):
        blob[first + np.uint64(i)] = text[start + np.uint64(i)]
    starts[code + 1] = np.int64(first + length)
    slots[2 * slot] = key
    slots[2 * slot + np.uint64(1)] = (np.uint64(code + 1) << np.uint64(32)) | length


@njit(cache=True, nogil=True, inline="always")
def _key(text: Bytes, start: np.uint64, stop: np.uint64) -> np.uint64:
    """The key of a chunk, as the loop in `_scan` makes it: its bytes, every eight of them folded into a hash."""
    key, word, shift = np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(start, stop):
        word |= np.uint64(text[i]) << shift
        shift += np.uint64(8)
        if shift == 64 and np.uint64(i) + np.uint64(1) < stop:
            key, word, shift = (key ^ word) * _MULTIPLIER, np.uint64(0), np.uint64(0)
    return key ^ word


@njit(cache=True, nogil=True)
def _scan(
    text: Bytes, ends: Ints, classes: Bytes, cuts: Bytes, drops_blanks: bool,
    slots: Slots, blob: Bytes, starts: Ints, codes: Codes, code_ends: Ints, state: Ints,
) -> int:  # fmt: skip
    """Scan on from where ``state`` says, until all sentences are done or the caller must help.

    ``ends`` are the ends of the sentences in ``text``, in bytes; ``codes`` and ``code_ends`` are filled.
    A run is what stands between two blanks; a run that holds a JOINER is scanned again as one chunk.
    """
    room = min(len(slots) // 4, len(starts) - 1)  # the table stays at most half full
    sentence, count, reason = state[_SENTENCE], state[_CHUNKS], _DONE
    position, n_codes = np.uint64(state[_POSITION]), state[_CODES]
    run_start, run_codes, whole = np.uint64(state[_RUN_START]), state[_RUN_CODES], state[_WHOLE] == 1
    while sentence < len(ends) and reason == _DONE:
        stop = np.uint64(ends[sentence])
        while position < stop:
            # 1. Walk to the end of the chunk, making its key on the way.
            i, first_class, previous, joined = position, np.uint64(0), np.uint64(0), False
            key, word, shift = np.uint64(0), np.uint64(0), np.uint64(0)
            while i < stop:
                width = np.uint64(1)
                if text[i] < 128:
                    class_ = np.uint64(classes[text[i]])
                else:
                    code_point, width = _code_point(text, i)
                    class_ = np.uint64(classes[code_point])
                    if class_ == UNPROBED:
                        state[_CODE_POINT], reason = np.int64(code_point), _PROBE
                        break
                    if class_ == JOINER:
                        class_, joined = np.uint64(ORDINARY), not whole
                if i == position:
                    first_class = class_
                elif cuts[previous << np.uint64(4) | class_] and (not whole or class_ == BLANK):
                    break
                previous = class_
                for _ in range(width):
                    if shift == 64:
                        key, word, shift = (key ^ word) * _MULTIPLIER, np.uint64(0), np.uint64(0)
                    word |= np.uint64(text[i]) << shift
                    shift += np.uint64(8)
                    i += np.uint64(1)
            if joined:
                position, n_codes, whole = run_start, run_codes, True
                continue
            if reason != _DONE:
                break
            # 2. Look the chunk up, or give it the next code.
            if first_class != BLANK or not drops_blanks:
                code, slot = _find(slots, blob, starts, text, position, i - position, key ^ word)
                if code < 0:
                    code = count
                    if count == room:
                        reason = _TABLE_FULL
                        break
                    if starts[count] + np.int64(i - position) > len(blob):
                        reason = _BLOB_FULL
                        break
                    _append(slots, blob, starts, text, position, i - position, key ^ word, slot, count)
                    count += 1
                codes[n_codes] = code
                n_codes += 1
            position = i
            if first_class == BLANK:
                run_start, run_codes, whole = i, n_codes, False
        if reason == _DONE:
            code_ends[sentence] = n_codes
            run_start, run_codes, whole = position, n_codes, False
            sentence += 1
    state[_SENTENCE], state[_POSITION], state[_CODES] = sentence, np.int64(position), n_codes
    state[_RUN_START], state[_RUN_CODES], state[_WHOLE] = np.int64(run_start), run_codes, np.int64(whole)
    state[_CHUNKS] = count
    return reason


@njit(cache=True, nogil=True)
def _doubled(slots: Slots) -> Slots:
    """The table with twice the capacity."""
    doubled = np.zeros(2 * len(slots), np.uint64)
    mask = np.uint64(len(slots) - 1)
    for i in range(0, len(slots), 2):
        if slots[i + 1] != 0:
            slot = (slots[i] * _MULTIPLIER >> np.uint64(20)) & mask
            while doubled[2 * slot + np.uint64(1)] != 0:
                slot = (slot + np.uint64(1)) & mask
            doubled[2 * slot], doubled[2 * slot + np.uint64(1)] = slots[i], slots[i + 1]
    return doubled


@njit(cache=True, nogil=True)
def _add(chunks: Bytes, ends: Ints, slots: Slots, blob: Bytes, starts: Ints, codes: Codes, state: Ints) -> int:
    """Look up or append whole chunks, ``chunks[ends[i - 1]:ends[i]]``; returns as `_scan` does."""
    room = min(len(slots) // 4, len(starts) - 1)
    for i in range(state[_SENTENCE], len(ends)):
        start, stop = np.uint64(ends[i - 1] if i else 0), np.uint64(ends[i])
        key = _key(chunks, start, stop)
        code, slot = _find(slots, blob, starts, chunks, start, stop - start, key)
        if code < 0:
            code = state[_CHUNKS]
            if code == room:
                return _TABLE_FULL
            if starts[code] + np.int64(stop - start) > len(blob):
                return _BLOB_FULL
            _append(slots, blob, starts, chunks, start, stop - start, key, slot, code)
            state[_CHUNKS] += 1
        codes[i] = code
        state[_SENTENCE] = i + 1
    return _DONE


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
        self._empty(capacity)

    def _empty(self, capacity: int) -> None:
        self._slots = np.zeros(2 * capacity, np.uint64)
        self.blob = np.empty(4 * capacity, np.uint8)
        self.starts = np.zeros(capacity // 2 + 1, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._slots.nbytes + self.blob.nbytes + self.starts.nbytes

    def clear(self) -> None:
        """Forget all chunks; the next one seen gets code 0."""
        self._empty(1 << 16)

    def scan(self, text: Bytes, ends: Ints) -> tuple[Codes, Ints]:
        """Codes of the chunks of ``text`` (valid UTF-8), cut also at every sentence end.

        Args:
            text: ``uint8[n]``.
            ends: ``int64[n_sentences]``, ascending offsets into ``text``; the last is ``n``.

        Returns:
            ``int32[n_chunks]`` and, for every sentence, the end of its chunks in that array.
        """
        codes = np.empty(len(text), np.int32)  # pages never written cost nothing
        code_ends = np.empty(len(ends), np.int64)
        state = self._state()
        rule = self.rule
        while True:
            reason = _scan(
                text, ends, rule.classes, rule.cuts, rule.drops_blanks,
                self._slots, self.blob, self.starts, codes, code_ends, state,
            )  # fmt: skip
            if reason == _PROBE:
                first = int(state[_CODE_POINT]) // BLOCK * BLOCK
                rule.classes[first : first + BLOCK] = rule.probe(first)
            elif self._is_done(reason, state, len(text)):
                return codes[: state[_CODES]], code_ends

    def add(self, chunks: Bytes, ends: Ints) -> Codes:
        """Codes of whole chunks, given as their bytes one after another and the ends of each."""
        codes = np.empty(len(ends), np.int32)
        state = self._state()
        while True:
            reason = _add(chunks, ends, self._slots, self.blob, self.starts, codes, state)
            if self._is_done(reason, state, len(chunks)):
                return codes

    def chunks(self, first: int = 0) -> list[str]:
        """The chunks with codes from ``first`` on, as strings."""
        begin = int(self.starts[first])
        text = self.blob[begin : self.starts[self._count]].tobytes()
        edges = (self.starts[first : self._count + 1] - begin).tolist()
        if text.isascii():
            whole = text.decode("ascii")
            return [whole[a:b] for a, b in itertools.pairwise(edges)]
        return [text[a:b].decode() for a, b in itertools.pairwise(edges)]

    def _state(self) -> Ints:
        state = np.zeros(_CODE_POINT + 1, np.int64)
        state[_CHUNKS] = self._count
        return state

    def _is_done(self, reason: int, state: Ints, text_bytes: int) -> bool:
        """Take note of new chunks, make room if the kernel asked for it, and say whether it is done."""
        self._count = int(state[_CHUNKS])
        if reason == _TABLE_FULL:
            self._slots = _doubled(self._slots)
            self.starts = np.concatenate([self.starts, np.zeros(len(self.starts) - 1, np.int64)])
        elif reason == _BLOB_FULL:
            self.blob = np.concatenate([self.blob, np.empty(len(self.blob) + text_bytes, np.uint8)])
        return reason == _DONE
