"""The merge kernel: make the best pair of pieces one piece, again and again.

Merging (a, b) turns the place of a into the product and takes the place of b out of its word's linked
list. A merge touches only the places of its pair and their neighbours, and counts stay exact
(`segmentation` has the layout).

Which pair is best is asked of a heap of *upper bounds*. Under `frequency` the bound is the count. Under
`likelihood` and `ratio` a score rises whenever one of its two pieces becomes rarer, which happens with
every merge, and following each rise costs more than all merges together. So a bound is taken with a
floor under the counts of a and b, and holds until one of them falls through its floor; only then are
the pairs of that piece scored again. There are two floors: far (half the count), under which nearly
all pairs live and are hardly ever looked at, and near (the count less 1/64), to which a pair moves when its
far bound comes to the top. The best pair is one whose exact score is not below any other bound.

    1. Pop bounds until an exact score is not below any bound left.              (_choose)
    2. Find or make the product's piece.                                         (product_of, add_piece)
    3. Merge at every place, keeping lists and counts.                           (_merge_places)
    4. Bound again what may have risen: new and fuller pairs, the pairs of pieces that fell through a
       floor, the other ways to make the product.                                (_offer_touched)

A pair that was merged once is merged at once wherever it comes up again (its bound is infinite), as
an encoder that applies the merges would do. Ties go to the smaller ids. Nothing depends on hash order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.errors import VocabularyError
from wpprep.records import Ints
from wpprep.vocab.greedy import count_usage
from wpprep.vocab.heap import keep_live, new_heap, pop, push
from wpprep.vocab.scores import FREQUENCY, LIKELIHOOD, merge_score
from wpprep.vocab.segmentation import (
    AFTER,
    BEFORE,
    COUNT_OF_PAIR,
    COUNT_OF_PLACE,
    FAR,
    FIRST,
    IS_MERGED,
    IS_NEAR,
    IS_TOUCHED,
    KEY_OF_PAIR,
    LATER,
    LEFT,
    N_MERGES,
    N_PAIRS,
    N_PIECES,
    N_TOUCHED,
    NEAR,
    PIECE,
    RIGHT,
    TOTAL,
    CountedWords,
    Int32s,
    add_piece,
    find_pair,
    floor_below,
    link,
    merges_in_runs,
    move_near,
    new_segmentation,
    product_of,
    sort_places,
    touch_members,
    touch_splits,
    unlink,
    with_room_for_pairs,
    with_room_for_pieces,
)

__all__ = ["CountedWords", "Merger"]

_AT_ONCE = np.inf
_TARGET, _EXHAUSTED, _ROOM, _PAUSED = range(4)  # why the kernel came back
_MERGES_A_CALL = 1000


@njit(cache=True, inline="always")
def _score(seg: Any, code: int, p: int, n: int, c_a: int, c_b: int) -> float:
    """The score of n merges of a pair, were its pieces' counts c_a and c_b."""
    a, b, c_s = seg.pairs[p, LEFT], seg.pairs[p, RIGHT], 0
    if code == LIKELIHOOD:
        product, _ = product_of(seg, a, b)
        if product >= 0:
            c_s = seg.piece_counts[product]
    return merge_score(code, n, c_a, c_b, c_s, seg.counters[TOTAL], a == b)


@njit(cache=True, inline="always")
def _bound(seg: Any, code: int, p: int) -> float:
    """A score that the pair cannot exceed while its pieces stay above their floors."""
    n = seg.pair_counts[p, COUNT_OF_PAIR]
    bound = float(n)
    if seg.flags[p] & IS_MERGED:
        bound = _AT_ONCE
    elif code != FREQUENCY:
        a, b = seg.pairs[p, LEFT], seg.pairs[p, RIGHT]
        level = NEAR if seg.flags[p] & IS_NEAR else FAR
        if a == b:
            n = min(n, seg.piece_counts[a] // 2)
        c_a, c_b = max(seg.floors[a, level], 2 * n if a == b else n), max(seg.floors[b, level], n)
        bound = _score(seg, code, p, n, c_a, c_b)
    return bound


@njit(cache=True, inline="always")
def _exact(seg: Any, code: int, p: int) -> float:
    """The pair's score now."""
    a, b, n = seg.pairs[p, LEFT], seg.pairs[p, RIGHT], seg.pair_counts[p, COUNT_OF_PAIR]
    score = float(n)
    if code != FREQUENCY:
        if a == b:
            n = merges_in_runs(seg, p)
        score = _score(seg, code, p, n, seg.piece_counts[a], seg.piece_counts[b])
    return score


@njit(cache=True)
def _offer_touched(seg: Any, heap: Any, code: int, least: int) -> None:
    """Give every touched pair a fresh bound in the heap, if it went up."""
    for i in range(seg.counters[N_TOUCHED]):
        p = seg.touched[i]
        seg.flags[p] &= ~IS_TOUCHED
        count = seg.pair_counts[p, COUNT_OF_PAIR]
        if count == 0 or (count < least and not seg.flags[p] & IS_MERGED):
            continue
        key = _bound(seg, code, p)
        if key > seg.pair_keys[p, KEY_OF_PAIR]:
            if heap.size[0] == len(heap.keys):
                keep_live(heap, seg.pair_keys, seg.pairs)
            seg.pair_keys[p, KEY_OF_PAIR] = key
            push(heap, key, p, seg.pairs)
    seg.counters[N_TOUCHED] = 0


@njit(cache=True)
def _choose(seg: Any, heap: Any, code: int, least: int, held: Int32s) -> int:
    """The pair with the best exact score, taken out of the heap; -1 if no merge gains."""
    best, best_score, n_held = -1, 0.0, 0
    while heap.size[0] > 0 and heap.keys[0] >= best_score:
        p, key = heap.pairs[0], heap.keys[0]
        count = seg.pair_counts[p, COUNT_OF_PAIR]
        pop(heap, seg.pairs)
        if key != seg.pair_keys[p, KEY_OF_PAIR]:
            continue  # an entry that a later one has replaced
        if key == _AT_ONCE and count > 0:
            best = p
            break
        if count == 0 or count < least:
            seg.pair_keys[p, KEY_OF_PAIR] = 0.0
            continue
        # The bound came to the top: tighten it before anything dearer.
        if code != FREQUENCY and not seg.flags[p] & IS_NEAR:
            move_near(seg, p)
        tight = _bound(seg, code, p)
        if tight < key:
            seg.pair_keys[p, KEY_OF_PAIR] = tight
            if tight > 0.0:
                push(heap, tight, p, seg.pairs)
            continue
        score = _exact(seg, code, p)
        held[n_held] = p
        n_held += 1
        if score > best_score or (score == best_score and best >= 0 and _comes_first(seg, p, best)):
            best, best_score = p, score
        if score == key:
            break
    for i in range(n_held):
        if held[i] != best:
            push(heap, seg.pair_keys[held[i], KEY_OF_PAIR], held[i], seg.pairs)
    return best


@njit(cache=True, inline="always")
def _comes_first(seg: Any, p: int, q: int) -> bool:
    if seg.pairs[p, LEFT] != seg.pairs[q, LEFT]:
        return seg.pairs[p, LEFT] < seg.pairs[q, LEFT]
    return seg.pairs[p, RIGHT] < seg.pairs[q, RIGHT]


@njit(cache=True)
def _merge_places(seg: Any, p: int, product: int) -> None:
    """Merge the pair at all its places, left to right within a word."""
    a, b = seg.pairs[p, LEFT], seg.pairs[p, RIGHT]
    if a == b:
        sort_places(seg, p)
    place = seg.pairs[p, FIRST]
    while place >= 0:
        next_place, second = seg.places[place, LATER], seg.places[place, AFTER]
        if next_place == second:  # in aaa the second place is about to be swallowed
            next_place = seg.places[second, LATER]
        before, after = seg.places[place, BEFORE], seg.places[second, AFTER]
        count = seg.place_counts[place, COUNT_OF_PLACE]
        unlink(seg, place)
        if before >= 0:
            unlink(seg, before)
        if after >= 0:
            unlink(seg, second)
        seg.places[place, PIECE], seg.places[second, PIECE], seg.places[place, AFTER] = product, -1, after
        seg.piece_counts[a] -= count
        seg.piece_counts[b] -= count
        seg.piece_counts[product] += count
        seg.counters[TOTAL] -= count
        if before >= 0:
            link(seg, before, find_pair(seg, seg.places[before, PIECE], product))
        if after >= 0:
            seg.places[after, BEFORE] = place
            link(seg, place, find_pair(seg, product, seg.places[after, PIECE]))
        place = next_place


@njit(cache=True)
def _occurrences(seg: Any, p: int) -> int:
    n, place = 0, seg.pairs[p, FIRST]
    while place >= 0:
        n, place = n + 1, seg.places[place, LATER]
    return n


@njit(cache=True)
def _merge(seg: Any, heap: Any, merges: Int32s, code: int, least: int, target: int, held: Int32s) -> int:
    """Merge until there are ``target`` pieces, nothing gains, room runs out, or it is time for a breath."""
    for _ in range(_MERGES_A_CALL):
        if seg.counters[N_PIECES] >= target:
            return _TARGET
        p = _choose(seg, heap, code, least, held)
        if p < 0:
            return _EXHAUSTED
        is_full = seg.counters[N_PAIRS] + 2 * _occurrences(seg, p) > len(seg.pairs)
        if is_full or seg.counters[N_MERGES] == len(merges):
            push(heap, seg.pair_keys[p, KEY_OF_PAIR], p, seg.pairs)
            return _ROOM
        a, b = seg.pairs[p, LEFT], seg.pairs[p, RIGHT]
        product, hash_ = product_of(seg, a, b)
        if product < 0:
            product = add_piece(seg, hash_, seg.pairs[p, FIRST], seg.lengths[a] + seg.lengths[b])
        if not seg.flags[p] & IS_MERGED:
            row = seg.counters[N_MERGES]
            merges[row, 0], merges[row, 1], merges[row, 2] = a, b, product
            seg.counters[N_MERGES] = row + 1
        seg.flags[p] |= IS_MERGED
        seg.pair_keys[p, KEY_OF_PAIR] = 0.0
        _merge_places(seg, p, product)
        for level in (FAR, NEAR):
            seg.floors[product, level] = floor_below(seg.piece_counts[product], level)
        if code != FREQUENCY:
            touch_members(seg, a)
            touch_members(seg, b)
        if code == LIKELIHOOD:
            touch_splits(seg, product)
        _offer_touched(seg, heap, code, least)
    return _PAUSED


class Merger:
    """A run of merges that can be continued: the first ``alphabet_size`` pieces are the characters.

    >>> words = CountedWords(np.array([0, 1, 0, 1, 2], np.int32), np.array([2, 5]), np.array([3, 2]), 3)
    >>> merger = Merger(words, FREQUENCY, least=1)
    >>> merger.run(5)
    True
    >>> merger.merges.tolist()          # (left, right, product): ab five times, then abc twice
    [[0, 1, 3], [3, 2, 4]]

    Args:
        words: the corpus; not changed.
        code: a score of `wpprep.vocab.scores`.
        least: pairs counted less often are not merged.

    Raises:
        VocabularyError: 2**31 characters or more in distinct words.
    """

    def __init__(self, words: CountedWords, code: int, least: int) -> None:
        if len(words.characters) >= 2**31:
            raise VocabularyError(
                f"the distinct words hold {len(words.characters):,} characters, "
                "expected fewer than 2,147,483,648: raise min_word_count"
            )
        self._code, self._least = code, least
        self._seg = new_segmentation(words)
        self._merges = np.empty((2 * _MERGES_A_CALL, 3), np.int32)
        self._heap = new_heap(2 * len(self._seg.pairs))
        self._held = np.empty(len(self._seg.pairs), np.int32)
        _offer_touched(self._seg, self._heap, code, least)

    def run(self, target: int, progress: Callable[[int], None] | None = None) -> bool:
        """Merge on until there are ``target`` pieces, characters included.

        Returns:
            Whether there are; if not, no further merge gains.
        """
        if target > len(self._seg.lengths):
            self._seg = with_room_for_pieces(self._seg, target)
        while True:
            reason = _merge(self._seg, self._heap, self._merges, self._code, self._least, target, self._held)
            if progress is not None:
                progress(self.piece_count)
            if reason == _TARGET or reason == _EXHAUSTED:
                return bool(reason == _TARGET)
            if reason == _ROOM:
                self._make_room()

    def usage(self, words: CountedWords, is_active: npt.NDArray[np.bool_]) -> tuple[Ints, int]:
        """How often WordPiece's greedy encoding uses each piece (`greedy.count_usage`)."""
        longest = int(self._seg.lengths[: self.piece_count].max())
        return count_usage(self._seg, words.ends, words.counts, is_active, longest)

    @property
    def merges(self) -> Int32s:
        """``int32[n, 3]``: left and right piece and the product, in the order of the merges."""
        return self._merges[: self._seg.counters[N_MERGES]]

    @property
    def piece_count(self) -> int:
        """Pieces so far, characters included."""
        return int(self._seg.counters[N_PIECES])

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes (views of the same rows counted once)."""
        arrays = [array for array in (*self._seg, *self._heap) if array.base is None]
        return sum(array.nbytes for array in arrays)

    def _make_room(self) -> None:
        """Double what is full: the list of merges, or the pairs."""
        if self._seg.counters[N_MERGES] == len(self._merges):
            self._merges = np.concatenate([self._merges, np.empty_like(self._merges)])
            return
        self._seg = with_room_for_pairs(self._seg)
        old = self._heap
        self._heap = new_heap(2 * len(self._seg.pairs))
        size = int(old.size[0])
        self._heap.keys[:size], self._heap.pairs[:size] = old.keys[:size], old.pairs[:size]
        self._heap.size[0] = size
        self._held = np.empty(len(self._seg.pairs), np.int32)
