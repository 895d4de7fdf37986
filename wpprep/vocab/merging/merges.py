"""The merge loop: replace the best pair of pieces by a new piece, repeatedly.

    1. Find the best pair.                                                              (best_pair)
    2. Merge it at every place; counts stay exact.                                      (apply_merge)
    3. Push the new pairs to the heap, and bound again the scores that may have risen.  (best_pair)

Ties go to the smaller ids. Nothing depends on hash order. The method is byte pair encoding (Sennrich et al.,
arXiv 1508.07909) with an exchangeable score (`scores`); each merge costs time in proportion to its places, not
to the corpus, at the price of memory for the list of every pair's places (`memory_need`).

**Every merge makes a new piece, and no pair occurs again once merged.** Take a stretch s of a word that is the
piece P at some time. No earlier merge crossed an edge of s, so the merges within s were those of the word s on
its own: a merge is applied everywhere at once, and in a run of equal pieces, where it takes every second place
from the left, an edge that was not crossed is where a new count starts. So every P in the corpus was made at
one time, from one pair (a, b). If a and b were ever adjacent after that, their stretch would, by the same
argument, be P already. (So `tokenizers`' BpeTrainer, which does not set the count of the merged pair to zero,
never reads that count again: its merges are those of `frequency`.)

This module does not know characters or spellings (`alphabet`), and does not decide when a vocabulary is
complete (`train`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wpprep.errors import VocabularyError
from wpprep.kernels import kernel
from wpprep.vocab.merging.apply_merge import merge_places
from wpprep.vocab.merging.best_pair import best_scored, bound_again, most_frequent, offer, set_floors
from wpprep.vocab.merging.heap import Heap, new_heap
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
    Segmentation,
    new_segmentation,
    with_room_for_pairs,
    with_room_for_pieces,
)

__all__ = ["CountedWords", "Merger", "memory_need"]

_TARGET, _EXHAUSTED, _ROOM, _PAUSED = range(4)  # reasons for the kernel to return
_MERGES_PER_CALL = 1000


@kernel
def _begin(seg: Segmentation, heap: Heap, code: int) -> None:
    """Set the floors of the characters and push their pairs to the heap."""
    for piece in range(seg.counters[N_PIECES]):
        set_floors(seg, piece)
    offer(seg, heap, code, np.int64(0), seg.counters[N_PAIRS])  # a literal 0 would compile it twice


@kernel
def _merge(
    seg: Segmentation, heap: Heap, merges: Int32s, first: int, code: int, least: int, target: int, held: Int32s
) -> int:
    """Merge until there are ``target`` pieces, no merge gains, room runs out, or `_MERGES_PER_CALL` are made.

    Args:
        seg: the state; changed.
        heap: the pairs by score or bound; changed.
        merges: ``int32[n, 2]``; row i is filled with the pair of piece ``first + i``.
        first: number of characters.
        code: a score of `scores`.
        least: minimum count of a pair to be merged.
        target: number of pieces, characters included.
        held: ``int32[heap capacity / 2]``, scratch space.

    Returns:
        One of `_TARGET`, `_EXHAUSTED`, `_ROOM`, `_PAUSED`.
    """
    for _ in range(_MERGES_PER_CALL):
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
    """Estimate the memory of a `Merger` of these words, in bytes.

    A place has 28 bytes (its row, and three list entries); the number of pairs is not known beforehand.
    """
    return 64 * len(words.characters)


class Merger:
    """Merges that can be continued at any time; the first ``alphabet_size`` pieces are the characters.

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
        least: minimum count of a pair to be merged.
        room: number of pairs to allocate memory for at first; it grows when needed. By default four for each
            pair of characters.

    Attributes:
        segmentation: the current state of all words.
        heap: the pairs by score, or by a bound of it.
        least: minimum count of a pair to be merged, at least 1.

    Raises:
        VocabularyError: 700 million characters or more in distinct words.
    """

    def __init__(self, words: CountedWords, code: int, least: int, room: int | None = None) -> None:
        """Segment the words into characters and score their pairs."""
        if 3 * len(words.characters) >= 2**31:  # list entries have 32-bit indices
            raise VocabularyError(
                f"the distinct words contain {len(words.characters):,} characters, "
                f"expected fewer than {2**31 // 3:,}: raise min_word_count"
            )
        self._code, self.least, self._first = code, max(1, least), words.alphabet_size
        self.segmentation = new_segmentation(words, self.least, room)
        self._merges = np.empty((0, 2), np.int32)
        self.heap = new_heap(0)
        self._fit_heap()
        _begin(self.segmentation, self.heap, code)

    def run(self, target: int, progress: Callable[[int], None] | None = None) -> bool:
        """Continue merging until there are ``target`` pieces, characters included.

        Args:
            target: number of pieces; nothing happens if there are that many already.
            progress: called with the number of pieces after every thousand merges and at the end.

        Returns:
            Whether there are ``target`` pieces; if not, no further merge gains.
        """
        if target > len(self.segmentation.lengths):
            self.segmentation = with_room_for_pieces(self.segmentation, target)
            more = np.empty((target - self._first - len(self._merges), 2), np.int32)
            self._merges = np.concatenate([self._merges, more])
        while True:
            reason = _merge(
                self.segmentation,
                self.heap,
                self._merges,
                self._first,
                self._code,
                self.least,
                target,
                self._held,
            )
            if progress is not None:
                progress(self.piece_count)
            if reason in (_TARGET, _EXHAUSTED):
                return bool(reason == _TARGET)
            if reason == _ROOM:
                self.segmentation = with_room_for_pairs(self.segmentation)
                self._fit_heap()

    @property
    def merges(self) -> Int32s:
        """``int32[n, 2]``: left and right piece of every merge; merge i makes piece ``alphabet_size + i``."""
        return self._merges[: self.piece_count - self._first]

    @property
    def piece_count(self) -> int:
        """Number of pieces so far, characters included."""
        return int(self.segmentation.counters[N_PIECES])

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes (views of the same array are counted once)."""
        arrays = [
            array for array in (*self.segmentation, *self.heap, self._held, self._merges) if array.base is None
        ]
        return sum(array.nbytes for array in arrays)

    def _fit_heap(self) -> None:
        """Make the heap as large as the pairs need: two entries for each."""
        room = len(self.segmentation.pairs)
        heap, self.heap = self.heap, new_heap(2 * room)
        size = int(heap.size[0])
        self.heap.keys[:size], self.heap.pairs[:size] = heap.keys[:size], heap.pairs[:size]
        self.heap.size[0] = size
        self._held = np.empty(room, np.int32)
