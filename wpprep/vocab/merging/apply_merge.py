"""One merge, applied at every place of its pair.

Both kernels walk a pair's list in ascending order, which is left to right within a word; the layout that they
maintain is drawn in `segmentation`. The places of new pairs are first collected in ``fresh``, in order, and
copied to the pool once it is known which of the new pairs are frequent enough to be kept.
"""

from __future__ import annotations

from wpprep.kernels import inlined, kernel
from wpprep.vocab.merging.segmentation import (
    COUNT,
    EDGE,
    END,
    FIRST,
    LEFT,
    N_PAIRS,
    N_PIECES,
    PAIR,
    PIECE,
    POOL_END,
    RIGHT,
    TOTAL,
    Segmentation,
)


@kernel
def merge_places(seg: Segmentation, p: int, least: int) -> int:
    """Merge pair ``p`` at all its places, left to right, into a new piece.

    The pairs of the product and its neighbours are numbered from the old ``counters[N_PAIRS]`` on; those that
    occur less than ``least`` times are dropped.

    Returns:
        The number of merges, each multiplied by its word's count.
    """
    places, place_counts, fresh = seg.places, seg.place_counts, seg.fresh
    pairs, pair_counts = seg.pairs, seg.pair_counts
    a, b = pairs[p, LEFT], pairs[p, RIGHT]
    product, first_pair = seg.counters[N_PIECES], seg.counters[N_PAIRS]
    length_a, length = seg.lengths[a], seg.lengths[a] + seg.lengths[b]
    n_pairs, n_fresh, merged = first_pair, 0, 0
    for i in range(pairs[p, FIRST], pairs[p, END]):
        place = seg.pool[i]
        if places[place, PAIR] != p:
            continue  # changed by another merge, or, in aaa, by this one
        second, after, count = place + length_a, place + length, place_counts[place, COUNT]
        merged += count
        # 1. Remove the pair of b and the piece after it; a and b become one piece.
        old = places[second, PAIR]
        if old >= 0:
            pair_counts[old] -= count
        places[second, PAIR] = -1
        places[place, PIECE], places[after - 1, PIECE] = product, -1 - length
        # 2. Pair the piece before with the product.
        mark = places[place - 1, PIECE]
        if mark != EDGE:
            before = place - 1 if mark >= 0 else place + 1 + mark
            old = places[before, PAIR]
            if old >= 0:
                pair_counts[old] -= count
            q, n_pairs = _new_pair(seg, places[before, PIECE], 0, product, n_pairs)
            pair_counts[q] += count
            pairs[q, END] += 1
            places[before, PAIR], fresh[n_fresh, 0], fresh[n_fresh, 1] = q, before, q
            n_fresh += 1
        # 3. Pair the product with the piece after.
        q, following = -1, places[after, PIECE]
        if following >= 0:
            q, n_pairs = _new_pair(seg, following, 1, product, n_pairs)
            pair_counts[q] += count
            pairs[q, END] += 1
            fresh[n_fresh, 0], fresh[n_fresh, 1] = place, q
            n_fresh += 1
        places[place, PAIR] = q
    pair_counts[p] = 0
    seg.piece_counts[a] -= merged
    seg.piece_counts[b] -= merged
    seg.piece_counts[product], seg.lengths[product] = merged, length
    seg.counters[TOTAL] -= merged
    seg.counters[N_PIECES] = product + 1
    _keep_frequent(seg, first_pair, n_pairs, n_fresh, least)
    return merged


@inlined
def _new_pair(seg: Segmentation, other: int, side: int, product: int, n_pairs: int) -> tuple[int, int]:
    """Return the pair of the product and a piece on its left (side 0) or right (1), and the number of pairs."""
    column = 0 if other == product else side
    q = int(seg.new_pairs[other, column])
    if q < 0:
        q = n_pairs
        seg.new_pairs[other, column] = q
        seg.pairs[q, LEFT] = other if column == 0 else product
        seg.pairs[q, RIGHT] = product if column == 0 else other
        seg.pairs[q, END] = 0
        seg.pair_counts[q] = 0
        n_pairs += 1
    return q, n_pairs


@inlined
def _keep_frequent(seg: Segmentation, first_pair: int, n_pairs: int, n_fresh: int, least: int) -> None:
    """Drop the rare pairs among the new ones, and copy the lists of the others to the pool."""
    kept, end = first_pair, seg.counters[POOL_END]
    for q in range(first_pair, n_pairs):
        left, right = seg.pairs[q, LEFT], seg.pairs[q, RIGHT]
        seg.new_pairs[left, 0] = seg.new_pairs[right, 1] = -1
        seg.renumbered[q - first_pair] = -1
        if seg.pair_counts[q] >= least:
            seg.renumbered[q - first_pair] = kept
            length = seg.pairs[q, END]
            seg.pairs[kept, LEFT], seg.pairs[kept, RIGHT] = left, right
            seg.pairs[kept, FIRST] = seg.pairs[kept, END] = end
            seg.pair_counts[kept], seg.pair_keys[kept], seg.is_near[kept] = seg.pair_counts[q], 0.0, False
            end += length
            kept += 1
    for i in range(n_fresh):
        place, q = seg.fresh[i, 0], seg.fresh[i, 1]
        if seg.places[place, PAIR] == q:
            final = seg.renumbered[q - first_pair]
            seg.places[place, PAIR] = final
            if final >= 0:
                seg.pool[seg.pairs[final, END]] = place
                seg.pairs[final, END] += 1
    seg.counters[N_PAIRS], seg.counters[POOL_END] = kept, end


@kernel
def merges_in_runs(seg: Segmentation, p: int) -> int:
    """Count the merges that the pair (a, a) allows: in a run of equal pieces, every second place."""
    total, length, taken = 0, seg.lengths[seg.pairs[p, LEFT]], -1
    for i in range(seg.pairs[p, FIRST], seg.pairs[p, END]):
        place = seg.pool[i]
        if seg.places[place, PAIR] == p and place != taken:
            total += seg.place_counts[place, COUNT]
            taken = place + length
    return total
