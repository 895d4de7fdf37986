"""WordPiece's own encoding of counted words: the longest piece that fits, from left to right.

It tells which pieces are ever used: a merge product is idle when longer pieces took all its places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.records import Ints
from wpprep.vocab.segmentation import N_PIECES, extended_hash, spelled

MAX_WORD_CHARACTERS = 100  # a longer word is [UNK] as a whole, as in tokenizers' WordPiece


@njit(cache=True)
def count_usage(
    seg: Any, ends: Ints, counts: Ints, is_active: npt.NDArray[np.bool_], longest: int
) -> tuple[Ints, int]:
    """How often greedy longest-match-first encoding uses each piece.

    Args:
        seg: the `Segmentation` that the pieces are spelled in.
        ends: ``int64[words]``, the end of each word in ``seg.characters``.
        counts: ``int64[words]``.
        is_active: ``bool[pieces]``, the pieces in the vocabulary.
        longest: characters in the longest active piece.

    Returns:
        ``int64[pieces]``, and how many words (with repetitions) come out as [UNK].
    """
    usage = np.zeros(seg.counters[N_PIECES], np.int64)
    found_here = np.empty(MAX_WORD_CHARACTERS, np.int64)
    unknown = 0
    first = 0
    for w in range(len(ends)):
        start, n_found = first, 0
        is_known = ends[w] - first <= MAX_WORD_CHARACTERS
        while is_known and start < ends[w]:
            hash_, best, best_end = np.uint64(0), -1, start
            for end in range(start + 1, min(ends[w], start + longest) + 1):
                hash_ = extended_hash(hash_, seg.characters[end - 1])
                piece = spelled(seg, hash_, start, end - start, start, end - start)
                if piece >= 0 and is_active[piece]:
                    best, best_end = piece, end
            is_known = best >= 0
            if is_known:
                found_here[n_found] = best
                n_found += 1
            start = best_end
        if is_known:
            for i in range(n_found):
                usage[found_here[i]] += counts[w]
        else:
            unknown += counts[w]
        first = ends[w]
    return usage, unknown
