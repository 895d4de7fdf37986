"""A binary heap of pairs, best first: by key, then by the ids of the pair, smallest first.

The heap holds what was true when an entry was pushed; the merge kernel knows which entries still count.

    keys   float64[capacity]    entry i stands below entry (i - 1) // 2
    pairs  int32[capacity]      a row of ``ids``, whose first two columns are the pair's pieces
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit


class Heap(NamedTuple):
    """Entries of a heap and, in ``size[0]``, how many are in use."""

    keys: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]


def new_heap(capacity: int) -> Heap:
    """An empty heap."""
    return Heap(np.empty(capacity, np.float64), np.empty(capacity, np.int32), np.zeros(1, np.int64))


@njit(cache=True, inline="always")
def _before(heap: Any, i: int, j: int, ids: Any) -> bool:
    """Whether entry ``i`` is better than entry ``j``."""
    if heap.keys[i] != heap.keys[j]:
        return bool(heap.keys[i] > heap.keys[j])
    p, q = heap.pairs[i], heap.pairs[j]
    if ids[p, 0] != ids[q, 0]:
        return bool(ids[p, 0] < ids[q, 0])
    return bool(ids[p, 1] < ids[q, 1])


@njit(cache=True, inline="always")
def _swap(heap: Any, i: int, j: int) -> None:
    heap.keys[i], heap.keys[j] = heap.keys[j], heap.keys[i]
    heap.pairs[i], heap.pairs[j] = heap.pairs[j], heap.pairs[i]


@njit(cache=True, inline="always")
def _sift_down(heap: Any, i: int, ids: Any) -> None:
    size = heap.size[0]
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and _before(heap, child + 1, child, ids):
            child += 1
        if not _before(heap, child, i, ids):
            break
        _swap(heap, i, child)
        i = child


@njit(cache=True, inline="always")
def push(heap: Any, key: float, pair: int, ids: Any) -> None:
    """Add an entry; the caller has made sure that there is room."""
    i = heap.size[0]
    heap.keys[i], heap.pairs[i] = key, pair
    heap.size[0] = i + 1
    while i > 0 and _before(heap, i, (i - 1) // 2, ids):
        _swap(heap, i, (i - 1) // 2)
        i = (i - 1) // 2


@njit(cache=True, inline="always")
def pop(heap: Any, ids: Any) -> None:
    """Remove the best entry, ``keys[0]`` and ``pairs[0]``."""
    heap.size[0] -= 1
    _swap(heap, 0, heap.size[0])
    _sift_down(heap, 0, ids)


@njit(cache=True, inline="always")
def lower_top(heap: Any, key: float, ids: Any) -> None:
    """Give the best entry a lower key."""
    heap.keys[0] = key
    _sift_down(heap, 0, ids)


@njit(cache=True)
def keep_live(heap: Any, live_keys: Any, ids: Any) -> None:
    """Throw out the entries whose key is not their pair's live one, and restore the order."""
    kept = 0
    for i in range(heap.size[0]):
        if heap.keys[i] == live_keys[heap.pairs[i]]:
            heap.keys[kept], heap.pairs[kept] = heap.keys[i], heap.pairs[i]
            kept += 1
    heap.size[0] = kept
    for i in range(kept // 2 - 1, -1, -1):
        _sift_down(heap, i, ids)
