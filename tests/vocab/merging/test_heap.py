"""The heap of pairs: highest key first, ties by ids, outdated entries removed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.vocab.merging.heap import Heap, comes_first, drop_top, keep_live, new_heap, push, sift_down

IDS = np.array([[3, 1], [0, 2], [0, 1], [3, 0], [1, 1]], np.int32)
ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, len(IDS) - 1)), max_size=30)


def filled(entries: list[tuple[int, int]]) -> Heap:
    """Return a heap of (key, pair) entries."""
    heap = new_heap(len(entries))
    for key, pair in entries:
        push(heap, float(key), pair, IDS)
    return heap


def drained(heap: Heap) -> list[tuple[int, int]]:
    """Remove and return all entries, the top one first."""
    found = []
    while heap.size[0]:
        found.append((int(heap.keys[0]), int(heap.pairs[0])))
        drop_top(heap)
        sift_down(heap, 0, IDS)
    return found


def in_order(entries: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort entries by key, descending, then by the ids of the pair."""
    return sorted(entries, key=lambda entry: (-entry[0], *IDS[entry[1]].tolist()))


@pytest.mark.parametrize(
    ("p", "q", "first"), [(1, 0, True), (2, 1, True), (3, 0, True), (0, 3, False), (4, 4, False)]
)
def test_smaller_ids_come_first(p: int, q: int, first: bool) -> None:
    """The left id decides, then the right one; a pair does not come before itself."""
    assert comes_first(p, q, IDS) == first


@given(ENTRIES)
def test_entries_are_removed_in_order(entries: list[tuple[int, int]]) -> None:
    """Entries pushed in any order are removed by key and ids."""
    assert drained(filled(entries)) == in_order(entries)


@given(ENTRIES, st.integers(0, 999))
def test_only_live_entries_are_kept(entries: list[tuple[int, int]], seed: int) -> None:
    """Entries with another key than their pair's live one are removed, and the others stay in order."""
    live = np.array([float(random.Random(seed + pair).randint(0, 3)) for pair in range(len(IDS))])
    heap = filled(entries)
    keep_live(heap, live, IDS)
    assert drained(heap) == in_order([(key, pair) for key, pair in entries if live[pair] == key])
