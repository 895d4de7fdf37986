"""Figures: what a manifest says of rows, as plain numbers that shards are summed by.

What this module does not do: print them (cli), or say what they should be (audit).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens

HISTOGRAM_BINS = 32


def shard_statistics(batch: InstanceBatch, roles: TokenRoles, max_seq_length: int) -> dict[str, Any]:
    """What a manifest says of the rows: plain numbers, which `add_statistics` sums over shards.

    ``unmasked_rows`` have no predictions: all under dynamic masking, under the policy word those in which no
    word fits. A random token that happens to equal the original counts as ``kept``. ``length_histogram``
    counts the rows in 32 equal ranges of lengths, the last of which ends at ``max_seq_length``.
    """
    masked, kept = _count_predictions(
        batch.input_ids, batch.offsets, batch.mlm_positions, batch.mlm_labels, batch.mlm_offsets, roles.mask
    )
    predictions = len(batch.mlm_positions)
    bins = (np.diff(batch.offsets) - 1) * HISTOGRAM_BINS // max_seq_length
    return {
        "rows": len(batch),
        "tokens": len(batch.input_ids),
        "random_next": int(batch.next_sentence_label.sum()),
        "unmasked_rows": int((np.diff(batch.mlm_offsets) == 0).sum()),
        "predictions": predictions,
        "masked": masked,
        "random": predictions - masked - kept,
        "kept": kept,
        "length_histogram": np.bincount(bins, minlength=HISTOGRAM_BINS).tolist(),
    }


def add_statistics(total: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The sum of two statistics, name by name; a name that one does not have counts as nothing.

    >>> add_statistics({"rows": 2, "length_histogram": [1, 1]}, {"rows": 3, "length_histogram": [0, 3]})
    {'rows': 5, 'length_histogram': [1, 4]}
    """
    summed = dict(total)
    for name, value in more.items():
        known = total.get(name)
        if known is None:
            summed[name] = value
        elif isinstance(value, list):
            summed[name] = [a + b for a, b in zip(known, value, strict=True)]
        else:
            summed[name] = known + value
    return summed


@njit(cache=True)
def _count_predictions(
    input_ids: Tokens,
    offsets: Ints,
    positions: npt.NDArray[np.uint16],
    labels: Tokens,
    mlm_offsets: Ints,
    mask: int,
) -> tuple[int, int]:
    """How many predicted tokens stand as ``[MASK]``, and how many as themselves; arrays as in InstanceBatch."""
    masked = kept = 0
    for row in range(len(offsets) - 1):
        for p in range(mlm_offsets[row], mlm_offsets[row + 1]):
            seen = input_ids[offsets[row] + positions[p]]
            if seen == mask:
                masked += 1
            elif seen == labels[p]:
                kept += 1
    return masked, kept


def sum_statistics(receipts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for receipt in receipts:
        total = add_statistics(total, receipt["statistics"])
    return total
