"""A binary heap of pairs, highest key first; ties go to the smaller ids of the pair's pieces.

    keys   float64[capacity]    the parent of entry i is entry (i - 1) // 2
    pairs  int32[capacity]      a row of ``ids``, whose first two columns are the pair's pieces

An entry keeps the key it was pushed with: keys are not updated (lazy deletion), and outdated entries are
recognised by the caller (`best_pair`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import inlined, kernel


class Heap(NamedTuple):
    """Entries of a heap and, in ``size[0]``, the number in use."""

    keys: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]


def new_heap(capacity: int) -> Heap:
    """Return an empty heap."""
    return Heap(np.empty(capacity, np.float64), np.empty(capacity, np.int32), np.zeros(1, np.int64))


@kernel
def comes_first(p: Any, q: Any, ids: npt.NDArray[np.int32]) -> bool:
    """Return whether pair ``p`` has the smaller ids, which orders equal keys."""
    if ids[p, 0] != ids[q, 0]:
        return bool(ids[p, 0] < ids[q, 0])
    return bool(ids[p, 1] < ids[q, 1])


@inlined
def _is_better(key: float, p: int, other_key: float, q: int, ids: npt.NDArray[np.int32]) -> bool:
    """Return whether entry (key, p) comes before entry (other_key, q)."""
    return key > other_key or (key == other_key and comes_first(np.int64(p), np.int64(q), ids))


@inlined
def push(heap: Heap, key: float, pair: int, ids: npt.NDArray[np.int32]) -> None:
    """Add an entry; there must be room for it."""
    keys, pairs, i = heap.keys, heap.pairs, heap.size[0]
    heap.size[0] = i + 1
    while i > 0:
        parent = (i - 1) // 2
        if not _is_better(key, pair, keys[parent], pairs[parent], ids):
            break
        keys[i], pairs[i] = keys[parent], pairs[parent]
        i = parent
    keys[i], pairs[i] = key, pair


@inlined
def drop_top(heap: Heap) -> None:
    """Replace the top entry, ``keys[0]`` and ``pairs[0]``, by the last; call `sift_down` afterwards."""
    last = heap.size[0] - 1
    heap.keys[0], heap.pairs[0], heap.size[0] = heap.keys[last], heap.pairs[last], last


@inlined
def sift_down(heap: Heap, i: int, ids: npt.NDArray[np.int32]) -> None:
    """Restore the heap order after entry ``i`` became smaller."""
    keys, pairs, size = heap.keys, heap.pairs, heap.size[0]
    key, pair = keys[i], pairs[i]
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        other = child + 1
        if other < size and _is_better(keys[other], pairs[other], keys[child], pairs[child], ids):
            child = other
        if not _is_better(keys[child], pairs[child], key, pair, ids):
            break
        keys[i], pairs[i] = keys[child], pairs[child]
        i = child
    keys[i], pairs[i] = key, pair


@kernel
def keep_live(heap: Heap, live_keys: npt.NDArray[np.float64], ids: npt.NDArray[np.int32]) -> None:
    """Remove the entries whose key is not their pair's in ``live_keys``, and restore the heap order (Floyd)."""
    keys, pairs, kept = heap.keys, heap.pairs, 0
    for i in range(heap.size[0]):
        if keys[i] == live_keys[pairs[i]]:
            keys[kept], pairs[kept] = keys[i], pairs[i]
            kept += 1
    heap.size[0] = kept
    for i in range(kept // 2 - 1, -1, -1):
        sift_down(heap, i, ids)
