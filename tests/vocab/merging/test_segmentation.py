"""The corpus as pieces: places, pairs and lists of words in single characters, and growth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from reference.merges import Corpus, Word, random_corpus

from wpprep.vocab.merging.segmentation import (
    COUNT,
    END,
    FIRST,
    LEFT,
    N_PAIRS,
    N_PIECES,
    PAIR,
    PIECE,
    RIGHT,
    TOTAL,
    Segmentation,
    new_segmentation,
    with_room_for_pairs,
    with_room_for_pieces,
)


def lists_of(seg: Segmentation) -> dict[tuple[int, int], list[int]]:
    """Return the places of every pair."""
    return {
        (int(row[LEFT]), int(row[RIGHT])): seg.pool[row[FIRST] : row[END]].tolist()
        for row in seg.pairs[: seg.counters[N_PAIRS]]
    }


def test_words_worked_by_hand() -> None:
    """aab twice and b?ab three times, where ? is a dropped character: no pair crosses it or an edge."""
    seg = new_segmentation(Corpus({(0, 0, 1): 2, (1, -1, 0, 1): 3}, 2).counted(), least=1)
    assert seg.places[:, PIECE].tolist() == [-1, 0, 0, 1, -1, 1, -1, 0, 1, -1]
    assert seg.place_counts[1:4, COUNT].tolist() == [2, 2, 2]
    assert lists_of(seg) == {(0, 0): [1], (0, 1): [2, 7]}
    assert seg.pair_counts[:2].tolist() == [2, 5]
    assert seg.piece_counts.tolist() == [2 * 2 + 3, 2 + 2 * 3]
    assert seg.counters[TOTAL] == 15


def test_rare_pairs_have_no_number() -> None:
    """With a minimum of 3 only (a, b), with five occurrences, is a pair."""
    seg = new_segmentation(Corpus({(0, 0, 1): 2, (1, -1, 0, 1): 3}, 2).counted(), least=3)
    assert lists_of(seg) == {(0, 1): [2, 7]}
    assert seg.places[1, PAIR] == -1


def test_many_pairs_are_numbered_once() -> None:
    """With more than 2,048 pairs the hash table grows, and every pair has one number and all its places."""
    letters = 80
    words: dict[Word, int] = {(a, b): 1 + (a * b) % 3 for a in range(letters) for b in range(letters)}
    seg = new_segmentation(Corpus(words, letters).counted(), least=1)
    assert seg.counters[N_PAIRS] == letters**2 > 2048
    found = lists_of(seg)
    assert found.keys() == words.keys()
    for (a, b), (place,) in found.items():
        assert seg.places[place : place + 2, PIECE].tolist() == [a, b]


@pytest.mark.parametrize("grow", [with_room_for_pairs, lambda seg: with_room_for_pieces(seg, 99)])
def test_growth_keeps_the_state(grow: Callable[[Segmentation], Segmentation]) -> None:
    """More room for pairs or pieces changes neither pairs nor pieces nor lists."""
    for seed in range(20):
        seg = new_segmentation(random_corpus(seed).counted(), least=1)
        grown = grow(seg)
        assert lists_of(grown) == lists_of(seg)
        n, pieces = int(seg.counters[N_PAIRS]), int(seg.counters[N_PIECES])
        assert np.array_equal(grown.pair_counts[:n], seg.pair_counts[:n])
        assert np.array_equal(grown.piece_counts[:pieces], seg.piece_counts[:pieces])
        assert len(grown.pairs) > len(seg.pairs) or len(grown.lengths) == 99
