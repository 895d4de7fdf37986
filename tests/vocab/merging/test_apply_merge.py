"""One merge at all places of its pair: counts of pieces and pairs, and the lists of new pairs."""

from __future__ import annotations

from reference.merges import Corpus, places_of, words_of

from wpprep.vocab.merging.apply_merge import merge_places, merges_in_runs
from wpprep.vocab.merging.merges import Merger
from wpprep.vocab.merging.scores import FREQUENCY
from wpprep.vocab.merging.segmentation import (
    END,
    FIRST,
    LEFT,
    N_PAIRS,
    N_PIECES,
    PAIR,
    PIECE,
    RIGHT,
    TOTAL,
    CountedWords,
    Segmentation,
    new_segmentation,
    with_room_for_pieces,
)

A, B, C, AB = range(4)


def segmented(words: dict[tuple[int, ...], int], least: int = 1) -> Segmentation:
    """Return words over a, b and c, with room for one more piece."""
    counted: CountedWords = Corpus(words, 3).counted()
    return with_room_for_pieces(new_segmentation(counted, least), 4)


def number_of(seg: Segmentation, left: int, right: int) -> int:
    """Return the number of a pair."""
    pairs: list[list[int]] = seg.pairs[: seg.counters[N_PAIRS], [LEFT, RIGHT]].tolist()
    return pairs.index([left, right])


def test_counts_after_a_merge_worked_by_hand() -> None:
    """abc twice and cab three times: ab is merged five times, and makes the pairs (ab, c) and (c, ab)."""
    seg = segmented({(A, B, C): 2, (C, A, B): 3})
    assert merge_places(seg, number_of(seg, A, B), 1) == 5
    assert seg.counters[N_PIECES] == 4
    assert seg.piece_counts.tolist() == [0, 0, 5, 5]
    assert seg.counters[TOTAL] == 10
    assert seg.lengths[AB] == 2
    assert seg.pair_counts[number_of(seg, AB, C)] == 2
    assert seg.pair_counts[number_of(seg, C, AB)] == 3
    assert seg.pair_counts[number_of(seg, A, B)] == 0
    assert seg.pair_counts[number_of(seg, B, C)] == 0
    # places: edge a b c edge c a b edge; the last character of the product has the distance to its first one
    assert seg.places[:, PIECE].tolist() == [-1, AB, -3, C, -1, C, AB, -3, -1]
    listed = number_of(seg, C, AB)
    assert seg.pool[seg.pairs[listed, FIRST] : seg.pairs[listed, END]].tolist() == [5]


def test_rare_new_pairs_are_dropped() -> None:
    """With a minimum of 3, (ab, c) with two occurrences gets no number and no place has it."""
    seg = segmented({(A, B, C): 2, (C, A, B): 3}, least=3)
    merge_places(seg, number_of(seg, A, B), 3)
    pairs = seg.pairs[: seg.counters[N_PAIRS], [LEFT, RIGHT]].tolist()
    assert [C, AB] in pairs
    assert [AB, C] not in pairs
    assert seg.places[1, PAIR] == -1


def test_runs_are_merged_from_the_left_and_counted_without_overlap() -> None:
    """aaaaa holds four pairs and two merges: aa aa a, then, by the tie rule, aa aaa."""
    corpus = Corpus({(0,) * 5: 1}, 1)
    merger = Merger(corpus.counted(), FREQUENCY, 1)
    assert merges_in_runs(merger.segmentation, 0) == 2 == len(places_of([0] * 5, 0, 0))
    assert merger.segmentation.pair_counts[0] == 4
    assert merger.run(3)
    assert words_of(merger, corpus) == [[1, 2]]
