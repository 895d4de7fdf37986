"""The search for the best pair: bounds are never below scores, and the best pair is found."""

from __future__ import annotations

import numpy as np
import pytest
from reference.merges import Corpus, random_corpus

from wpprep.vocab.merging.best_pair import best_scored, exact_score, most_frequent
from wpprep.vocab.merging.merges import Merger
from wpprep.vocab.merging.scores import FREQUENCY, LIKELIHOOD, RATIO, merge_score
from wpprep.vocab.merging.segmentation import LEFT, N_PAIRS, RIGHT


@pytest.mark.parametrize("code", [LIKELIHOOD, RATIO])
def test_bounds_bound(code: int) -> None:
    """At any time, every pair that may be merged has a heap entry not below its score (to rounding)."""
    for seed in range(60):
        corpus = random_corpus(seed)
        merger = Merger(corpus.counted(), code, 1)
        for target in range(corpus.alphabet_size, corpus.alphabet_size + 40, 3):
            merger.run(target)
            seg, heap = merger.segmentation, merger.heap
            entries = {
                (int(p), float(key))
                for p, key in zip(heap.pairs[: heap.size[0]], heap.keys[: heap.size[0]], strict=True)
            }
            for p in range(int(seg.counters[N_PAIRS])):
                if seg.pair_counts[p] == 0:
                    continue
                score, key = exact_score(seg, code, p), float(seg.pair_keys[p])
                if score > 0:
                    assert (p, key) in entries
                    assert key >= score * (1 - 1e-12)


def test_the_most_frequent_pair_stays_in_the_heap() -> None:
    """ab occurs seven times and bc four: ab is returned, twice; above seven nothing is."""
    merger = Merger(Corpus({(0, 1): 3, (0, 1, 2): 4}, 3).counted(), FREQUENCY, 1)
    seg = merger.segmentation
    for _ in range(2):
        p = most_frequent(seg, merger.heap, 7)
        assert (seg.pairs[p, LEFT], seg.pairs[p, RIGHT]) == (0, 1)
    assert most_frequent(seg, merger.heap, 8) == -1


@pytest.mark.parametrize("code", [LIKELIHOOD, RATIO])
def test_the_best_scored_pair_is_that_of_a_full_search(code: int) -> None:
    """The returned pair has the highest exact score of all pairs, the smallest ids among equal ones."""
    for seed in range(60):
        merger = Merger(random_corpus(seed).counted(), code, 1)
        seg = merger.segmentation
        scores = {p: exact_score(seg, code, p) for p in range(int(seg.counters[N_PAIRS]))}
        gaining = [p for p, score in scores.items() if score > 0]
        expected = min(gaining, key=lambda p: (-scores[p], *seg.pairs[p, :2].tolist()), default=-1)
        assert best_scored(seg, merger.heap, code, 1, np.empty(len(seg.pairs), np.int32)) == expected


def test_exact_scores_use_current_counts() -> None:
    """In aab and ab, with a three times and b twice, ab scores as two occurrences among five pieces."""
    merger = Merger(Corpus({(0, 0, 1): 1, (0, 1): 1}, 2).counted(), LIKELIHOOD, 1)
    pairs = merger.segmentation.pairs[:2, :2].tolist()
    expected = {
        (0, 1): merge_score(LIKELIHOOD, 2, 3, 2, 5, False),
        (0, 0): merge_score(LIKELIHOOD, 1, 3, 3, 5, True),
    }
    for p, (left, right) in enumerate(pairs):
        assert exact_score(merger.segmentation, LIKELIHOOD, p) == expected[left, right]
