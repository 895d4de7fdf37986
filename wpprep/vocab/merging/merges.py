"""The merge kernel: make the best pair of pieces one piece, again and again.

    1. Ask for the best pair.                                                    (bounds)
    2. Merge it at every place; counts stay exact.                               (places.merge_places)
    3. Put the pairs that came up into the heap, and bound again what may have risen.    (bounds)

Ties go to the smaller ids. Nothing depends on hash order.

**Every merge makes a new piece, and no pair comes up again once merged.** Take a stretch s of a word that is
the piece P at some time. No merge before that crossed an edge of s, and so the merges within s were those
of the word s standing alone: a merge is made everywhere at once, and in a run of equal pieces, where it
takes every second place from the left, an edge that was not crossed is where a fresh count would begin. So
every P in the corpus was made at one time, by one pair (a, b). If a and b ever stood side by side after
that, their stretch would, by the same argument, be P already. (So `tokenizers`' BpeTrainer, which forgets
to zero the count of the pair it merges, never reads that count again: its merges are those of `frequency`.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wpprep.errors import VocabularyError
from wpprep.kernels import kernel
from wpprep.vocab.merging.apply_merge import merge_places
from wpprep.vocab.merging.best_pair import best_scored, bound_again, most_frequent, offer, set_floors
from wpprep.vocab.merging.heap import new_heap
from wpprep.vocab.merging.scores import FREQUENCY
from wpprep.vocab.merging.segmentation import (
    END,
    FIRST,
    LEFT,
    N_PAIRS,
    N_PIECES,
    RIGHT,
    CountedWords,
    Int32s,
    new_segmentation,
    with_room_for_pairs,
    with_room_for_pieces,
)

__all__ = ["CountedWords", "Merger", "memory_need"]

_TARGET, _EXHAUSTED, _ROOM, _PAUSED = range(4)  # why the kernel came back
_MERGES_A_CALL = 1000


@kernel
def _begin(seg: Any, heap: Any, code: int) -> None:
    """Offer the pairs of the characters."""
    for piece in range(seg.counters[N_PIECES]):
        set_floors(seg, piece)
    offer(seg, heap, code, np.int64(0), seg.counters[N_PAIRS])  # a bare 0 would compile it twice


@kernel
def _merge(
    seg: Any, heap: Any, merges: Int32s, first: int, code: int, least: int, target: int, held: Int32s
) -> int:
    """Merge until there are ``target`` pieces, nothing gains, room runs out, or it is time for a breath.

    ``first`` is the number of characters, so that piece ``first + i`` is the product of ``merges[i]``.
    """
    for _ in range(_MERGES_A_CALL):
        if seg.counters[N_PIECES] >= target:
            return _TARGET
        by_count = code == FREQUENCY
        p = most_frequent(seg, heap, least) if by_count else best_scored(seg, heap, code, least, held)
        if p < 0:
            return _EXHAUSTED
        n_pairs = seg.counters[N_PAIRS]
        if n_pairs + 2 * (seg.pairs[p, END] - seg.pairs[p, FIRST]) > len(seg.pairs):
            return _ROOM
        a, b, product = seg.pairs[p, LEFT], seg.pairs[p, RIGHT], seg.counters[N_PIECES]
        merges[product - first, 0], merges[product - first, 1] = a, b
        merge_places(seg, p, least)
        set_floors(seg, product)
        if not by_count:
            bound_again(seg, heap, code, a, least)
            bound_again(seg, heap, code, b, least)
        offer(seg, heap, code, n_pairs, seg.counters[N_PAIRS])
    return _PAUSED


def memory_need(words: CountedWords) -> int:
    """About how many bytes a `Merger` of these words will take.

    A place has 28 bytes (its row, and three entries of lists); how many pairs there will be nobody knows.
    """
    return 64 * len(words.characters)


class Merger:
    """A run of merges that can be continued: the first ``alphabet_size`` pieces are the characters.

    >>> characters = np.array([-1, 0, 1, -1, 0, 1, 2, -1], np.int32)
    >>> words = CountedWords(characters, np.array([3, 7]), np.array([3, 2]), alphabet_size=3)
    >>> merger = Merger(words, FREQUENCY, least=1)
    >>> merger.run(5)
    True
    >>> merger.merges.tolist()          # ab five times is piece 3, then abc twice piece 4
    [[0, 1], [3, 2]]

    Args:
        words: the corpus; not changed.
        code: a score of `wpprep.vocab.merging.scores`.
        least: pairs counted less often are not merged.

    Raises:
        VocabularyError: 700 million characters or more in distinct words.
    """

    def __init__(self, words: CountedWords, code: int, least: int) -> None:
        if 3 * len(words.characters) >= 2**31:  # entries of lists are numbered with 32 bits
            raise VocabularyError(
                f"the distinct words hold {len(words.characters):,} characters, "
                f"expected fewer than {2**31 // 3:,}: raise min_word_count"
            )
        self._code, self._least, self._first = code, max(1, least), words.alphabet_size
        self._seg = new_segmentation(words, self._least)
        self._merges = np.empty((0, 2), np.int32)
        self._make_room()
        _begin(self._seg, self._heap, code)

    def run(self, target: int, progress: Callable[[int], None] | None = None) -> bool:
        """Merge on until there are ``target`` pieces, characters included.

        Returns:
            Whether there are; if not, no further merge gains.
        """
        if target > len(self._seg.lengths):
            self._seg = with_room_for_pieces(self._seg, target)
            more = np.empty((target - self._first - len(self._merges), 2), np.int32)
            self._merges = np.concatenate([self._merges, more])
        while True:
            reason = _merge(
                self._seg, self._heap, self._merges, self._first, self._code, self._least, target, self._held
            )
            if progress is not None:
                progress(self.piece_count)
            if reason in (_TARGET, _EXHAUSTED):
                return bool(reason == _TARGET)
            if reason == _ROOM:
                self._seg = with_room_for_pairs(self._seg)
                self._make_room()

    @property
    def merges(self) -> Int32s:
        """``int32[n, 2]``: left and right piece of every merge; number i makes piece ``alphabet_size + i``."""
        return self._merges[: self.piece_count - self._first]

    @property
    def piece_count(self) -> int:
        """Pieces so far, characters included."""
        return int(self._seg.counters[N_PIECES])

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes (views of the same rows counted once)."""
        arrays = [array for array in (*self._seg, *self._heap, self._held, self._merges) if array.base is None]
        return sum(array.nbytes for array in arrays)

    def _make_room(self) -> None:
        """Let the heap grow with the pairs."""
        room = len(self._seg.pairs)
        heap, self._heap = getattr(self, "_heap", new_heap(0)), new_heap(2 * room)
        size = int(heap.size[0])
        self._heap.keys[:size], self._heap.pairs[:size] = heap.keys[:size], heap.pairs[:size]
        self._heap.size[0] = size
        self._held = np.empty(room, np.int32)
