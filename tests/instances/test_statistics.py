"""Statistics of rows: worked by hand, and summed over shards."""

from __future__ import annotations

import dataclasses

import numpy as np
from reference import CLS, MASK, SEP, roles

from wpprep.instances.statistics import add_statistics, shard_statistics, sum_statistics
from wpprep.records import InstanceBatch


def rows() -> InstanceBatch:
    """Return a row of 5 tokens with two predictions, and one of 7 with two."""
    return InstanceBatch(
        input_ids=np.array([CLS, MASK, SEP, 11, SEP, CLS, 12, 99, SEP, 14, 15, SEP], np.uint16),
        offsets=np.array([0, 5, 12]),
        b_start=np.array([3, 4]),
        next_sentence_label=np.array([0, 1], np.uint8),
        document=np.array([0, 1]),
        mlm_positions=np.array([1, 3, 2, 4], np.uint16),
        mlm_labels=np.array([10, 11, 13, 20], np.uint16),
        mlm_offsets=np.array([0, 2, 4]),
    )


def test_statistics_worked_by_hand() -> None:
    """Four predictions: one is [MASK], one is unchanged, two are other tokens; lengths 5 and 7 of 32.

    With a range for each length, rows of 5 and 7 tokens are in the ranges 4 and 6, counted from 0.
    """
    assert shard_statistics(rows(), roles(), 32) == {
        "rows": 2,
        "tokens": 12,
        "random_next": 1,
        "unmasked_rows": 0,
        "predictions": 4,
        "masked": 1,
        "random": 2,
        "kept": 1,
        "length_histogram": [1 if length in (4, 6) else 0 for length in range(32)],
    }


def test_rows_without_predictions_are_unmasked() -> None:
    """Without masks all rows are unmasked, and there are no predictions of any kind."""
    empty = np.empty(0, np.uint16)
    batch = dataclasses.replace(
        rows(), mlm_positions=empty, mlm_labels=empty, mlm_offsets=np.zeros(3, np.int64)
    )
    found = shard_statistics(batch, roles(), 32)
    assert [found[name] for name in ("unmasked_rows", "predictions", "masked", "random", "kept")] == [
        2,
        0,
        0,
        0,
        0,
    ]


def test_the_histogram_has_32_ranges_of_equal_width() -> None:
    """Of 64 lengths, 1 and 2 are in the first range, 63 and 64 in the last one."""
    lengths = np.array([1, 2, 3, 62, 63, 64])
    batch = InstanceBatch(
        input_ids=np.full(lengths.sum(), 10, np.uint16),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        b_start=lengths,
        next_sentence_label=np.zeros(6, np.uint8),
        document=np.arange(6),
        mlm_positions=np.empty(0, np.uint16),
        mlm_labels=np.empty(0, np.uint16),
        mlm_offsets=np.zeros(7, np.int64),
    )
    histogram = shard_statistics(batch, roles(), 64)["length_histogram"]
    assert (len(histogram), histogram[:2], histogram[-2:]) == (32, [2, 1], [1, 2])


def test_statistics_of_shards_are_added() -> None:
    """Numbers and histograms are added by name; a name that is missing in one counts as 0."""
    found = shard_statistics(rows(), roles(), 32)
    twice = add_statistics(found, found)
    assert (twice["rows"], twice["tokens"], twice["length_histogram"][4]) == (4, 24, 2)
    assert add_statistics({}, {**found, "dropped_tokens": 3}) == {**found, "dropped_tokens": 3}
    assert add_statistics({"dropped_tokens": 3}, found) == {**found, "dropped_tokens": 3}
    assert sum_statistics({"statistics": found} for _ in range(2)) == twice
    assert sum_statistics([]) == {}
