"""The best pair, without following every change of every score: a heap of upper bounds (lazy evaluation).

Under `frequency` a pair's count is its score and only falls, so the heap holds counts. A pair that comes to the
top with an outdated count is pushed back with its current one.

Under `likelihood` and `ratio` a score rises whenever one of its two pieces becomes rarer, which happens with
every merge; following each rise would cost more than all merges together. So a bound is computed with lower
limits (floors) of the counts of a and b, and is valid until one of these counts falls below its floor. Only
then are the pairs of that piece scored again. There are two floors: far, which nearly all pairs use and which
is rarely reached, and near, to which a pair changes when its far bound comes to the top. The best pair is one
whose exact score is not below any other bound.

A bound stays valid when n or N falls; it is then too high, and is computed again when it comes to the top.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wpprep.kernels import inlined, kernel
from wpprep.vocab.merging.apply_merge import merges_in_runs
from wpprep.vocab.merging.heap import Heap, comes_first, drop_top, keep_live, push, sift_down
from wpprep.vocab.merging.scores import FREQUENCY, RATIO, merge_score
from wpprep.vocab.merging.segmentation import LEFT, RIGHT, TOTAL, Int32s, Segmentation

FAR, NEAR = range(2)  # the two floors that a bound can be computed with


@inlined
def _floor_below(count: Any, level: int) -> Any:
    """Return the floor to set for a count."""
    return count - count // 2 if level == FAR else count - count // 256


@kernel
def set_floors(seg: Segmentation, piece: int) -> None:
    """Set the floors of a piece that has no pairs in the heap yet."""
    for level in (FAR, NEAR):
        seg.floors[piece, level] = _floor_below(seg.piece_counts[piece], level)


@kernel
def _bound(seg: Segmentation, code: int, p: int) -> float:
    """Return a score that the pair cannot exceed while the counts of its pieces are not below their floors."""
    a, b, n = seg.pairs[p, LEFT], seg.pairs[p, RIGHT], seg.pair_counts[p]
    level = NEAR if seg.is_near[p] else FAR
    floor_a, floor_b = seg.floors[a, level], seg.floors[b, level]
    if code == RATIO:
        # n / (c_a c_b) with c_a = c_b = n rises when n falls, until one of the counts is at its floor.
        n = min(n, floor_a // 2 + 1 if a == b else max(floor_a, floor_b))
        return float(n / (float(max(floor_a, n)) * float(max(floor_b, n))))
    if a == b:
        n = min(n, seg.piece_counts[a] // 2)
        floor_a = floor_b = max(floor_a, 2 * n)
    return float(merge_score(code, n, max(floor_a, n), max(floor_b, n), seg.counters[TOTAL], a == b))


@kernel
def exact_score(seg: Segmentation, code: int, p: Any) -> float:
    """Return the pair's current score."""
    a, b, n = seg.pairs[p, LEFT], seg.pairs[p, RIGHT], seg.pair_counts[p]
    if a == b:
        n = merges_in_runs(seg, p)
    c_a, c_b = seg.piece_counts[a], seg.piece_counts[b]
    return float(merge_score(code, n, c_a, c_b, seg.counters[TOTAL], a == b))


@inlined
def _enter_lists(seg: Segmentation, p: int, level: int) -> None:
    """Add the pair to the lists of its two pieces."""
    left, right = seg.pairs[p, LEFT], seg.pairs[p, RIGHT]
    seg.next_member[2 * p, level] = seg.first_member[left, level]
    seg.first_member[left, level] = 2 * p
    if left != right:
        seg.next_member[2 * p + 1, level] = seg.first_member[right, level]
        seg.first_member[right, level] = 2 * p + 1


@kernel
def offer(seg: Segmentation, heap: Heap, code: int, first: Any, stop: Any) -> None:
    """Add the new pairs ``first`` to ``stop`` to the lists of their pieces and to the heap."""
    for p in range(first, stop):
        if code == FREQUENCY:
            _raise_key(seg, heap, p, float(seg.pair_counts[p]))
        else:
            _enter_lists(seg, p, FAR)
            _raise_key(seg, heap, p, _bound(seg, code, p))


@inlined
def _raise_key(seg: Segmentation, heap: Heap, p: int, key: float) -> None:
    """Set a higher bound for a pair; its entry with the lower bound stays in the heap, outdated."""
    if key > seg.pair_keys[p]:
        if heap.size[0] == len(heap.keys):
            keep_live(heap, seg.pair_keys, seg.pairs)
        seg.pair_keys[p] = key
        push(heap, key, p, seg.pairs)


@kernel
def bound_again(seg: Segmentation, heap: Heap, code: int, piece: int, least: int) -> None:
    """If a piece's count is below a floor, lower the floor and bound again the pairs that use it."""
    for level in (FAR, NEAR):
        if seg.piece_counts[piece] >= seg.floors[piece, level]:
            continue
        seg.floors[piece, level] = _floor_below(seg.piece_counts[piece], level)
        previous, node = -1, seg.first_member[piece, level]
        while node >= 0:
            p, following = node >> 1, seg.next_member[node, level]
            if seg.pair_counts[p] < least or (level == FAR and seg.is_near[p]):  # remove it from the list
                if previous < 0:
                    seg.first_member[piece, level] = following
                else:
                    seg.next_member[previous, level] = following
            else:
                _raise_key(seg, heap, p, _bound(seg, code, p))
                previous = node
            node = following


@kernel
def most_frequent(seg: Segmentation, heap: Heap, least: int) -> int:
    """Return the pair with the highest count, without removing it; -1 if no count is ``least`` or more."""
    pair_counts, pairs = seg.pair_counts, seg.pairs
    while heap.size[0] > 0:
        p = heap.pairs[0]
        count = pair_counts[p]
        if count < least:
            drop_top(heap)
        elif float(count) < heap.keys[0]:
            seg.pair_keys[p] = heap.keys[0] = float(count)
        else:
            return int(p)
        sift_down(heap, 0, pairs)
    return -1


@kernel
def best_scored(seg: Segmentation, heap: Heap, code: int, least: int, held: Int32s) -> int:
    """Return the pair with the highest exact score, without removing it; -1 if no merge gains.

    ``held`` is scratch space for the pairs taken off the heap meanwhile, ``int32[pairs]``.
    """
    pairs, pair_keys = seg.pairs, seg.pair_keys
    best: Any = np.int64(-1)
    best_score, n_held, is_certain = 0.0, 0, False
    while heap.size[0] > 0 and heap.keys[0] >= best_score and not is_certain:
        p, key = np.int64(heap.pairs[0]), heap.keys[0]
        if key != pair_keys[p] or seg.pair_counts[p] < least or key <= 0.0:
            drop_top(heap)  # replaced by a later entry, too rare, or without gain
        elif _tighten(seg, code, p) < key:
            heap.keys[0] = pair_keys[p]
        else:
            drop_top(heap)
            held[n_held] = p
            n_held += 1
            score = exact_score(seg, code, p)
            is_certain = score == key
            if score > best_score or (score == best_score and best >= 0 and comes_first(p, best, pairs)):
                best, best_score = p, score
        sift_down(heap, 0, pairs)
    for i in range(n_held):
        push(heap, pair_keys[held[i]], held[i], pairs)
    return int(best)


@kernel
def _tighten(seg: Segmentation, code: int, p: Any) -> float:
    """Bound a pair again with near floors, keep the bound if it is lower, and return it."""
    was_near, seg.is_near[p] = seg.is_near[p], True
    tight = _bound(seg, code, p)
    if tight < seg.pair_keys[p]:
        seg.pair_keys[p] = tight
        if not was_near:
            _enter_lists(seg, p, NEAR)  # `bound_again` removes it from the far lists
    else:
        seg.is_near[p] = was_near  # a far floor that was just lowered can be the higher one
    return float(tight)
