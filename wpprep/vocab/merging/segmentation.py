"""The corpus as pieces: places in words, pairs with the lists of their places, pieces with counts.

The time of a merge is dominated by cache misses, so the data of one place are in one row of 16 bytes, and a
pair's places are one contiguous, ascending range of ``pool``:

    places  int32[n, 4]     piece | pair | count (int64)       one row per character of ``CountedWords``
    pairs   int32[room, 4]  left | right | first | end         its places are pool[first:end]

At the first character of a piece, ``piece`` is the piece and ``pair`` the pair of it and the piece after it
(-1: none). At the last character of a longer piece, ``piece`` is -2 minus the distance to its first character.
At an edge of a word, or a dropped character, it is -1. ``count`` is the word's count.

Lists are never edited: an entry is valid as long as its place still has the pair. Two facts, proved in
`merges`, keep this simple. The pairs that a merge makes are all new, since they contain the product, a new
piece; and a pair's count never rises after the merge that made it, so a pair below the minimum count is dropped
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import inlined, kernel
from wpprep.records import Ints

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

EDGE = -1
PIECE, PAIR = range(2)  # columns of a place; the count is column COUNT of its int64 view
COUNT = 1
LEFT, RIGHT, FIRST, END = range(4)  # columns of a pair
N_PAIRS, N_PIECES, POOL_END, TOTAL = range(4)  # indices of ``counters``


@dataclass(frozen=True)
class CountedWords:
    """Distinct words as characters, with counts.

        -1  word 0  -1  word 1  -1 ...  word n - 1  -1

    Attributes:
        characters: ``int32``, character ids of all words as drawn above; -1 also stands for a dropped
            character; no merge crosses it.
        ends: ``int64[n]``, index of the -1 after each word.
        counts: ``int64[n]``, occurrences of each word.
        alphabet_size: number of character ids.
    """

    characters: Int32s
    ends: Ints
    counts: Ints
    alphabet_size: int


class Segmentation(NamedTuple):
    """The state that all kernels of merging share.

    Attributes:
        places: ``int32[characters, 4]``, see above.
        place_counts: the ``int64[characters, 2]`` view of ``places``.
        pool: ``int32[3 * characters]``, the lists of all pairs; a merge appends at most two entries per place.
        pairs: ``int32[room, 4]``, see above.
        pair_counts: ``int64[room]``, current occurrences (in aaa the pair (a, a) counts twice).
        pair_keys: ``float64[room]``, key of the pair's valid heap entry; 0: none.
        is_near: ``bool[room]``, whether the pair's bound is computed with near floors (`best_pair`).
        next_member: ``int32[2 * room, 2]``: node 2p is pair p in the (far, near) list of its left piece, node
            2p + 1 in that of its right piece.
        lengths: ``int32[pieces]``, in characters.
        piece_counts: ``int64[pieces]``, current occurrences.
        floors: ``int64[pieces, 2]``, the (far, near) counts that bounds are computed with.
        first_member: ``int32[pieces, 2]``, first node of the (far, near) list of the piece's pairs.
        new_pairs: ``int32[pieces, 2]``, pairs made by the current merge: of each piece before its product, and
            of its product before each piece (-1: none, as are all between merges).
        fresh: ``int32[entries, 2]``, scratch space: (place, pair) of the new pairs' places, in order.
        renumbered: ``int32[entries]``, scratch space: final numbers of the new pairs.
        counters: ``int64[4]``: number of pairs, number of pieces, end of the pool in use, sum of piece counts.
    """

    places: Int32s
    place_counts: Int64s
    pool: Int32s
    pairs: Int32s
    pair_counts: Int64s
    pair_keys: npt.NDArray[np.float64]
    is_near: npt.NDArray[np.bool_]
    next_member: Int32s
    lengths: Int32s
    piece_counts: Int64s
    floors: Int64s
    first_member: Int32s
    new_pairs: Int32s
    fresh: Int32s
    renumbered: Int32s
    counters: Int64s


def new_segmentation(words: CountedWords, least: int, room: int | None = None) -> Segmentation:
    """Segment the words into single characters, with every adjacent pair that occurs ``least`` times or more.

    ``room`` is the number of pairs to allocate memory for; by default four times as many as there are.
    """
    places = np.empty((len(words.characters), 4), np.int32)
    piece_counts = np.zeros(words.alphabet_size, np.int64)
    _enter_words(words.characters, words.ends, words.counts, places, places.view(np.int64), piece_counts)
    pairs, pair_counts = _enter_pairs(places, least)
    pool = np.empty(max(1, 3 * len(words.characters)), np.int32)
    longest = _enter_lists(places, pairs, pool)
    n = len(pairs)
    room = max(1024, 4 * n) if room is None else max(room, n)
    arrays = _pair_arrays(room) | _piece_arrays(words.alphabet_size)
    arrays["pairs"][:n], arrays["pair_counts"][:n], arrays["pair_keys"][:n] = pairs, pair_counts, 0.0
    arrays["is_near"][:n] = False
    arrays["piece_counts"][:] = piece_counts
    counters = np.array([n, words.alphabet_size, pairs[-1, END] if n else 0, piece_counts.sum()], np.int64)
    return Segmentation(
        places=places,
        place_counts=places.view(np.int64),
        pool=pool,
        fresh=np.empty((2 * longest + 2, 2), np.int32),
        renumbered=np.empty(2 * longest + 2, np.int32),
        counters=counters,
        **arrays,
    )


def with_room_for_pairs(seg: Segmentation) -> Segmentation:
    """Return the same segmentation with room for twice as many pairs."""
    count = int(seg.counters[N_PAIRS])
    arrays = _pair_arrays(2 * len(seg.pairs) + len(seg.fresh))
    for name in ("pairs", "pair_counts", "pair_keys", "is_near"):
        arrays[name][:count] = getattr(seg, name)[:count]
    arrays["next_member"][: 2 * count] = seg.next_member[: 2 * count]
    return seg._replace(**arrays)


def with_room_for_pieces(seg: Segmentation, room: int) -> Segmentation:
    """Return the same segmentation with room for ``room`` pieces."""
    count = int(seg.counters[N_PIECES])
    arrays = _piece_arrays(room)
    for name, array in arrays.items():
        array[:count] = getattr(seg, name)[:count]
    return seg._replace(**arrays)


def _pair_arrays(room: int) -> dict[str, npt.NDArray[Any]]:
    """Allocate the arrays with one entry per pair, by their names in `Segmentation`."""
    return {
        "pairs": np.empty((room, 4), np.int32),
        "pair_counts": np.empty(room, np.int64),
        "pair_keys": np.empty(room, np.float64),
        "is_near": np.empty(room, np.bool_),
        "next_member": np.empty((2 * room, 2), np.int32),
    }


def _piece_arrays(room: int) -> dict[str, npt.NDArray[Any]]:
    """Allocate the arrays with one entry per piece, by their names in `Segmentation`."""
    return {
        "lengths": np.ones(room, np.int32),
        "piece_counts": np.zeros(room, np.int64),
        "floors": np.zeros((room, 2), np.int64),
        "first_member": np.full((room, 2), -1, np.int32),
        "new_pairs": np.full((room, 2), -1, np.int32),
    }


@kernel
def _enter_words(
    characters: Int32s, ends: Ints, counts: Ints, places: Int32s, place_counts: Int64s, piece_counts: Int64s
) -> None:
    """Fill the rows of all places except their pairs, and count the characters."""
    first = 0
    for w in range(len(ends)):
        for place in range(first, ends[w]):
            places[place, PIECE], place_counts[place, COUNT] = characters[place], counts[w]
            if characters[place] >= 0:
                piece_counts[characters[place]] += counts[w]
        first = ends[w]
    places[first, PIECE], place_counts[first, COUNT] = EDGE, 0


def _enter_pairs(places: Int32s, least: int) -> tuple[Int32s, Int64s]:
    """Set the pair of every place, numbered with a growing hash table; drop pairs below ``least`` occurrences.

    Returns:
        ``pairs``, with the lengths of the lists in the column END, and ``pair_counts``.
    """
    room = 1 << 11
    pairs, counts, slots = np.zeros((room, 4), np.int32), np.zeros(room, np.int64), np.zeros(2 * room, np.int32)
    place, n_pairs = _number_pairs(places, places.view(np.int64), 0, slots, pairs, counts, 0)
    while place < len(places):
        pairs = np.concatenate([pairs, np.zeros_like(pairs)])
        counts = np.concatenate([counts, np.zeros_like(counts)])
        slots = np.zeros(2 * len(slots), np.int32)
        _fill_slots(slots, pairs, n_pairs)
        place, n_pairs = _number_pairs(places, places.view(np.int64), place, slots, pairs, counts, n_pairs)
    kept = _drop_rare(places, pairs, counts, np.empty(n_pairs, np.int32), least)
    return pairs[:kept], counts[:kept]


@kernel
def _number_pairs(
    places: Int32s, place_counts: Int64s, place: int, slots: Int32s, pairs: Int32s, counts: Int64s, n_pairs: int
) -> tuple[int, int]:
    """Number and count the pairs from ``place`` on.

    Returns:
        The place at which the room for pairs ran out (``len(places)``: it did not), and the number of pairs.
    """
    while place < len(places):
        # The last place is an edge, with no place after it.
        left, right = places[place, PIECE], places[min(place + 1, len(places) - 1), PIECE]
        p = -1
        if left >= 0 and right >= 0:
            slot = _free_slot(slots, pairs, left, right)
            if slots[slot] == 0:
                if n_pairs == len(pairs):
                    break
                pairs[n_pairs, LEFT], pairs[n_pairs, RIGHT] = left, right
                n_pairs += 1
                slots[slot] = n_pairs
            p = slots[slot] - 1
            pairs[p, END] += 1
            counts[p] += place_counts[place, COUNT]
        places[place, PAIR] = p
        place += 1
    return place, n_pairs


@kernel
def _fill_slots(slots: Int32s, pairs: Int32s, n_pairs: int) -> None:
    """Insert the pairs into an empty hash table."""
    for p in range(n_pairs):
        slots[_free_slot(slots, pairs, pairs[p, LEFT], pairs[p, RIGHT])] = p + 1


@kernel
def _drop_rare(places: Int32s, pairs: Int32s, counts: Int64s, renumbered: Int32s, least: int) -> int:
    """Drop the pairs below ``least`` occurrences, renumber the others and return their number."""
    kept = 0
    for p in range(len(renumbered)):
        renumbered[p] = -1
        if counts[p] >= least:
            pairs[kept, LEFT], pairs[kept, RIGHT] = pairs[p, LEFT], pairs[p, RIGHT]
            pairs[kept, END] = pairs[p, END]
            renumbered[p], counts[kept] = kept, counts[p]
            kept += 1
    for place in range(len(places)):
        if places[place, PAIR] >= 0:
            places[place, PAIR] = renumbered[places[place, PAIR]]
    return kept


@inlined
def _free_slot(slots: Int32s, pairs: Int32s, left: Any, right: Any) -> Any:
    """Return the pair's slot in the hash table, or the free slot for it."""
    mask = np.uint64(len(slots) - 1)
    key = (np.uint64(left) << np.uint64(32) | np.uint64(right)) * np.uint64(0x9E3779B97F4A7C15)
    slot = (key >> np.uint64(32)) & mask
    while slots[slot] > 0:
        p = slots[slot] - 1
        if pairs[p, LEFT] == left and pairs[p, RIGHT] == right:
            break
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _enter_lists(places: Int32s, pairs: Int32s, pool: Int32s) -> int:
    """Write the lists of the pairs to the pool; return the length of the longest."""
    end, longest = 0, 0
    for p in range(len(pairs)):
        length = pairs[p, END]
        longest = max(longest, length)
        pairs[p, FIRST] = pairs[p, END] = end
        end += length
    for place in range(len(places)):
        p = places[place, PAIR]
        if p >= 0:
            pool[pairs[p, END]] = place
            pairs[p, END] += 1
    return longest
