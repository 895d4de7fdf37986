"""The corpus as pieces: words as linked places, pairs with the lists of their places, pieces with counts.

Everything a merge touches about one place, or one pair, lies side by side in one 32-byte row, because the
time of a merge is the time of its cache misses. 64-bit fields are second views of the same rows:

    places  int32[n, 8]   piece | before | after | pair | earlier | later | count (int64)
    pairs   int32[n, 8]   left | right | first | last | count (int64) | key (float64)

A place is one character of one distinct word; ``piece`` is the piece that starts there (-1: inside one),
``before`` and ``after`` are the neighbouring pieces' places (-1: edge), ``pair`` is the pair that starts
there, ``earlier`` and ``later`` its neighbours in that pair's list, ``count`` how often the word occurs.
``key`` is the bound of the pair's live heap entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.records import Ints

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

# Columns of a place; the count is column COUNT_AT of the int64 view.
PIECE, BEFORE, AFTER, PAIR, EARLIER, LATER = range(6)
# Columns of a pair; the count and the key are columns of the 64-bit views.
LEFT, RIGHT, FIRST, LAST = range(4)
COUNT_OF_PLACE, COUNT_OF_PAIR, KEY_OF_PAIR = 3, 2, 3

FAR, NEAR = range(2)  # the two floors a bound can be taken with
IS_NEAR, IS_MERGED, IS_TOUCHED = np.uint8(1), np.uint8(2), np.uint8(4)
N_PAIRS, N_PIECES, TOTAL, N_MERGES, N_TOUCHED = range(5)  # places in ``counters``
_BASE = np.uint64(0x9E3779B97F4A7C15)  # of the polynomial hash of a piece's characters


@dataclass(frozen=True)
class CountedWords:
    """Distinct words as characters, with counts.

    Attributes:
        characters: ``int32[n]``, character ids of all words one after another, -1 for a dropped character,
            whose neighbours are never glued.
        ends: ``int64[words]``, the end of each word in ``characters``.
        counts: ``int64[words]``.
        alphabet_size: number of character ids.
    """

    characters: Int32s
    ends: Ints
    counts: Ints
    alphabet_size: int


class Segmentation(NamedTuple):
    """The state that all kernels share.

    Attributes:
        characters: ``int32[places]``, as in `CountedWords`.
        places: ``int32[places, 8]``, see above; ``place_counts`` is its ``int64[places, 4]`` view.
        pairs: ``int32[room, 8]``, see above; ``pair_counts`` and ``pair_keys`` are its 64-bit views.
        flags: ``uint8[room]``, of each pair.
        next_member: ``int32[2 * room, 2]``: node 2p is pair p in the (far, near) list of its left piece, node
            2p + 1 in that of its right piece.
        pair_slots: ``int32[power of two]``, table from (left, right) to pair + 1.
        touched: ``int32[room]``, pairs whose score may have risen.
        piece_counts: ``int64[pieces]``, occurrences now.
        floors: ``int64[pieces, 2]``, the (far, near) counts that bounds were taken with.
        first_member: ``int32[pieces, 2]``, first node of the lists of the piece's pairs.
        spelled_at, lengths: ``int32[pieces]``, where a piece's characters stand in ``characters``.
        hashes: ``uint64[pieces]``, of these characters.
        piece_slots: ``int32[power of two]``, table from hash to piece + 1.
        counters: ``int64[5]``.
    """

    characters: Int32s
    places: Int32s
    place_counts: Int64s
    pairs: Int32s
    pair_counts: Int64s
    pair_keys: npt.NDArray[np.float64]
    flags: npt.NDArray[np.uint8]
    next_member: Int32s
    pair_slots: Int32s
    touched: Int32s
    piece_counts: Int64s
    floors: Int64s
    first_member: Int32s
    spelled_at: Int32s
    lengths: Int32s
    hashes: npt.NDArray[np.uint64]
    piece_slots: Int32s
    counters: Int64s


def new_segmentation(words: CountedWords) -> Segmentation:
    """The words as single characters, every neighbouring two of them a touched pair."""
    places = np.full((len(words.characters), 8), -1, np.int32)
    room = max(1024, min(len(words.characters), words.alphabet_size**2)) + 1
    counters = np.zeros(5, np.int64)
    counters[N_PIECES] = words.alphabet_size
    seg = Segmentation(
        characters=words.characters,
        places=places,
        place_counts=places.view(np.int64),
        **_pair_arrays(room),
        **_piece_arrays(words.alphabet_size),
        counters=counters,
    )
    fill_piece_slots(seg)
    _enter_words(seg, words.ends, words.counts)
    for level in (FAR, NEAR):
        seg.floors[:, level] = floor_below(seg.piece_counts, level)
    return seg


def with_room_for_pairs(seg: Segmentation) -> Segmentation:
    """The same segmentation with room for twice as many pairs."""
    count = int(seg.counters[N_PAIRS])
    arrays = _pair_arrays(2 * len(seg.pairs))
    arrays["pairs"][:count] = seg.pairs[:count]
    arrays["flags"][:count] = seg.flags[:count]
    arrays["next_member"][: 2 * count] = seg.next_member[: 2 * count]
    larger = seg._replace(**arrays)
    _fill_pair_slots(larger)
    return larger


def with_room_for_pieces(seg: Segmentation, room: int) -> Segmentation:
    """The same segmentation with room for more pieces."""
    count = int(seg.counters[N_PIECES])
    arrays = _piece_arrays(room)
    for name in ("piece_counts", "floors", "first_member", "spelled_at", "lengths", "hashes"):
        arrays[name][:count] = getattr(seg, name)[:count]
    larger = seg._replace(**arrays)
    fill_piece_slots(larger)
    return larger


def _pair_arrays(room: int) -> dict[str, Any]:
    pairs = np.empty((room, 8), np.int32)
    return {
        "pairs": pairs,
        "pair_counts": pairs.view(np.int64),
        "pair_keys": pairs.view(np.float64),
        "flags": np.empty(room, np.uint8),
        "next_member": np.empty((2 * room, 2), np.int32),
        "pair_slots": np.zeros(_power_of_two(2 * room), np.int32),
        "touched": np.empty(room, np.int32),
    }


def _piece_arrays(room: int) -> dict[str, Any]:
    return {
        "piece_counts": np.zeros(room, np.int64),
        "floors": np.zeros((room, 2), np.int64),
        "first_member": np.full((room, 2), -1, np.int32),
        "spelled_at": np.zeros(room, np.int32),
        "lengths": np.ones(room, np.int32),
        "hashes": np.arange(1, room + 1, dtype=np.uint64),  # of one character: its id + 1
        "piece_slots": np.zeros(_power_of_two(2 * room), np.int32),
    }


def _power_of_two(least: int) -> int:
    return 1 << max(1, least - 1).bit_length()


@njit(cache=True)
def _enter_words(seg: Any, ends: Ints, counts: Ints) -> None:
    """Link the characters of every word, and their pairs."""
    first = 0
    for w in range(len(ends)):
        for place in range(first, ends[w]):
            piece = seg.characters[place]
            seg.place_counts[place, COUNT_OF_PLACE] = counts[w]
            if piece < 0:
                continue
            seg.places[place, PIECE] = piece
            seg.spelled_at[piece] = place
            seg.piece_counts[piece] += counts[w]
            seg.counters[TOTAL] += counts[w]
            if place > first and seg.characters[place - 1] >= 0:
                seg.places[place, BEFORE], seg.places[place - 1, AFTER] = place - 1, place
                link(seg, place - 1, find_pair(seg, seg.characters[place - 1], piece))
        first = ends[w]


@njit(cache=True, inline="always")
def floor_below(count: Any, level: int) -> Any:
    """The floor to put under a count: half of it, or nearly all of it."""
    return count // 2 if level == FAR else count - count // 64


@njit(cache=True, inline="always")
def _hash_pair(left: int, right: int) -> np.uint64:
    key = (np.uint64(left) << np.uint64(32) | np.uint64(right)) * _BASE
    return key ^ (key >> np.uint64(32))


@njit(cache=True, inline="always")
def known_pair(seg: Any, left: int, right: int) -> tuple[int, np.uint64]:
    """The pair of two pieces, or -1, and its slot or the free one for it."""
    mask = np.uint64(len(seg.pair_slots) - 1)
    slot = _hash_pair(left, right) & mask
    p = np.int64(seg.pair_slots[slot]) - 1
    while p >= 0 and (seg.pairs[p, LEFT] != left or seg.pairs[p, RIGHT] != right):
        slot = (slot + np.uint64(1)) & mask
        p = np.int64(seg.pair_slots[slot]) - 1
    return p, slot


@njit(cache=True, inline="always")
def find_pair(seg: Any, left: int, right: int) -> int:
    """The pair of two pieces, made if it is new; the caller has made sure that there is room."""
    p, slot = known_pair(seg, left, right)
    if p < 0:
        p = seg.counters[N_PAIRS]
        seg.counters[N_PAIRS] = p + 1
        seg.pair_slots[slot] = p + 1
        seg.pairs[p, LEFT], seg.pairs[p, RIGHT] = left, right
        seg.pairs[p, FIRST] = seg.pairs[p, LAST] = -1
        seg.pair_counts[p, COUNT_OF_PAIR] = 0
        seg.pair_keys[p, KEY_OF_PAIR] = 0.0
        seg.flags[p] = 0
        _enter_lists(seg, p, FAR)
    return p


@njit(cache=True, inline="always")
def _enter_lists(seg: Any, p: int, level: int) -> None:
    left, right = seg.pairs[p, LEFT], seg.pairs[p, RIGHT]
    seg.next_member[2 * p, level] = seg.first_member[left, level]
    seg.first_member[left, level] = 2 * p
    if left != right:
        seg.next_member[2 * p + 1, level] = seg.first_member[right, level]
        seg.first_member[right, level] = 2 * p + 1


@njit(cache=True, inline="always")
def move_near(seg: Any, p: int) -> None:
    """From now on take the pair's bounds with the near floors; `touch_members` drops it from the far lists."""
    seg.flags[p] |= IS_NEAR
    _enter_lists(seg, p, NEAR)


@njit(cache=True, inline="always")
def touch(seg: Any, p: int) -> None:
    """Note, once, that the pair's score may have risen."""
    if not seg.flags[p] & IS_TOUCHED:
        seg.flags[p] |= IS_TOUCHED
        seg.touched[seg.counters[N_TOUCHED]] = p
        seg.counters[N_TOUCHED] += 1


@njit(cache=True, inline="always")
def link(seg: Any, place: int, p: int) -> None:
    """Append a place to a pair's list, and touch the pair."""
    last = seg.pairs[p, LAST]
    seg.places[place, PAIR], seg.places[place, EARLIER], seg.places[place, LATER] = p, last, -1
    if last >= 0:
        seg.places[last, LATER] = place
    else:
        seg.pairs[p, FIRST] = place
    seg.pairs[p, LAST] = place
    seg.pair_counts[p, COUNT_OF_PAIR] += seg.place_counts[place, COUNT_OF_PLACE]
    touch(seg, p)


@njit(cache=True, inline="always")
def unlink(seg: Any, place: int) -> None:
    """Take a place out of its pair's list."""
    p, earlier, later = seg.places[place, PAIR], seg.places[place, EARLIER], seg.places[place, LATER]
    if earlier >= 0:
        seg.places[earlier, LATER] = later
    else:
        seg.pairs[p, FIRST] = later
    if later >= 0:
        seg.places[later, EARLIER] = earlier
    else:
        seg.pairs[p, LAST] = earlier
    seg.pair_counts[p, COUNT_OF_PAIR] -= seg.place_counts[place, COUNT_OF_PLACE]


@njit(cache=True)
def sort_places(seg: Any, p: int) -> None:
    """Put a pair's list into ascending order (only (a, a) needs it, for runs of equal pieces)."""
    n, place = 0, seg.pairs[p, FIRST]
    while place >= 0:
        n, place = n + 1, seg.places[place, LATER]
    order = np.empty(n, np.int32)
    place = seg.pairs[p, FIRST]
    for i in range(n):
        order[i], place = place, seg.places[place, LATER]
    order.sort()
    for i in range(n):
        seg.places[order[i], EARLIER] = order[i - 1] if i else -1
        seg.places[order[i], LATER] = order[i + 1] if i + 1 < n else -1
    if n:
        seg.pairs[p, FIRST], seg.pairs[p, LAST] = order[0], order[n - 1]


@njit(cache=True)
def merges_in_runs(seg: Any, p: int) -> int:
    """How many merges the pair (a, a) allows: in a run of equal pieces every second place only."""
    total, place, piece = 0, seg.pairs[p, FIRST], seg.pairs[p, LEFT]
    while place >= 0:
        before = seg.places[place, BEFORE]
        if before < 0 or seg.places[before, PIECE] != piece:
            length, end = 1, seg.places[place, AFTER]
            while end >= 0 and seg.places[end, PIECE] == piece:
                length, end = length + 1, seg.places[end, AFTER]
            total += (length // 2) * seg.place_counts[place, COUNT_OF_PLACE]
        place = seg.places[place, LATER]
    return total


@njit(cache=True)
def power(exponent: int) -> np.uint64:
    """The base of the piece hash to some power."""
    result, factor = np.uint64(1), _BASE
    while exponent:
        if exponent & 1:
            result *= factor
        factor *= factor
        exponent >>= 1
    return result


@njit(cache=True, inline="always")
def extended_hash(hash_: np.uint64, character: int) -> np.uint64:
    """The hash of a piece with one more character; a dropped one, -1, gives a hash no piece has with it."""
    return hash_ * _BASE + np.uint64(character + 1)


@njit(cache=True, inline="always")
def spelled(seg: Any, hash_: np.uint64, first: int, first_length: int, second: int, length: int) -> int:
    """The piece of ``first_length`` characters from ``first`` on and the rest from ``second`` on, or -1."""
    mask = np.uint64(len(seg.piece_slots) - 1)
    slot = (hash_ ^ hash_ >> np.uint64(32)) & mask
    found = -1
    while seg.piece_slots[slot] > 0 and found < 0:
        piece = seg.piece_slots[slot] - 1
        if seg.hashes[piece] == hash_ and seg.lengths[piece] == length:
            start, same = seg.spelled_at[piece], True
            for i in range(length):
                other = first + i if i < first_length else second + i - first_length
                same = same and seg.characters[start + i] == seg.characters[other]
            if same:
                found = np.int64(piece)
        slot = (slot + np.uint64(1)) & mask
    return found


@njit(cache=True, inline="always")
def product_of(seg: Any, a: int, b: int) -> tuple[int, np.uint64]:
    """The piece that a merge of a and b gives, -1 if there is none yet, and its hash."""
    hash_ = seg.hashes[a] * power(seg.lengths[b]) + seg.hashes[b]
    length = seg.lengths[a] + seg.lengths[b]
    return spelled(seg, hash_, seg.spelled_at[a], seg.lengths[a], seg.spelled_at[b], length), hash_


@njit(cache=True)
def add_piece(seg: Any, hash_: np.uint64, place: int, length: int) -> int:
    """A new piece without occurrences, spelled from ``place`` on."""
    piece = seg.counters[N_PIECES]
    seg.counters[N_PIECES] = piece + 1
    seg.hashes[piece], seg.spelled_at[piece], seg.lengths[piece] = hash_, place, length
    _enter_piece(seg, piece)
    return piece


@njit(cache=True)
def fill_piece_slots(seg: Any) -> None:
    """Enter all pieces into an empty table."""
    for piece in range(seg.counters[N_PIECES]):
        _enter_piece(seg, piece)


@njit(cache=True, inline="always")
def _enter_piece(seg: Any, piece: int) -> None:
    mask = np.uint64(len(seg.piece_slots) - 1)
    slot = (seg.hashes[piece] ^ seg.hashes[piece] >> np.uint64(32)) & mask
    while seg.piece_slots[slot] > 0:
        slot = (slot + np.uint64(1)) & mask
    seg.piece_slots[slot] = piece + 1


@njit(cache=True)
def _fill_pair_slots(seg: Any) -> None:
    """Enter all pairs into an empty table."""
    for p in range(seg.counters[N_PAIRS]):
        _, slot = known_pair(seg, seg.pairs[p, LEFT], seg.pairs[p, RIGHT])
        seg.pair_slots[slot] = p + 1


@njit(cache=True)
def touch_members(seg: Any, piece: int) -> None:
    """Touch the pairs of a piece that fell through a floor, and lower the floor."""
    for level in (FAR, NEAR):
        if seg.piece_counts[piece] >= seg.floors[piece, level]:
            continue
        seg.floors[piece, level] = floor_below(seg.piece_counts[piece], level)
        previous, node = -1, seg.first_member[piece, level]
        while node >= 0:
            following = seg.next_member[node, level]
            moved_away = level == FAR and seg.flags[node // 2] & IS_NEAR != 0
            if moved_away and previous < 0:
                seg.first_member[piece, level] = following
            elif moved_away:
                seg.next_member[previous, level] = following
            else:
                touch(seg, node // 2)
                previous = node
            node = following


@njit(cache=True)
def touch_splits(seg: Any, product: int) -> None:
    """Touch every pair that would make this piece, now that it has more occurrences."""
    start, length = seg.spelled_at[product], seg.lengths[product]
    prefix = np.uint64(0)
    for i in range(1, length):
        prefix = extended_hash(prefix, seg.characters[start + i - 1])
        a = spelled(seg, prefix, start, i, start, i)
        if a >= 0:
            suffix = seg.hashes[product] - prefix * power(length - i)
            b = spelled(seg, suffix, start + i, length - i, start, length - i)
            if b >= 0:
                p, _ = known_pair(seg, a, b)
                if p >= 0:
                    touch(seg, p)
