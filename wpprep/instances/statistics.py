"""Statistics of rows in manifests: plain numbers that are summed over shards.

This module does not print statistics (`cli`) or check them against expectations (`shards.audit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens

HISTOGRAM_BINS = 32


def shard_statistics(batch: InstanceBatch, roles: TokenRoles, max_seq_length: int) -> dict[str, Any]:
    """Compute the statistics of the rows of a batch.

    Args:
        batch: the rows, masked or not.
        roles: the id of ``[MASK]``.
        max_seq_length: maximum length of a row, the upper end of the histogram.

    Returns:
        Numbers to be summed over shards with `add_statistics`: ``rows``; ``tokens``; ``random_next``, rows with
        label 1; ``unmasked_rows``, rows without predictions (under dynamic masking all, under whole-word
        masking those in which no word fits); ``predictions``, and of these ``masked``, ``random`` and ``kept``
        (a random token that equals the original counts as kept); ``length_histogram``, the number of rows in
        each of 32 equal ranges of lengths.
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
    """Add two statistics key by key; a missing key counts as 0.

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
    """Count the predicted tokens that are ``[MASK]``, and the unchanged ones; arrays as in InstanceBatch."""
    masked = kept = 0
    for row in range(len(offsets) - 1):
        for p in range(mlm_offsets[row], mlm_offsets[row + 1]):
            seen = input_ids[offsets[row] + positions[p]]
            if seen == mask:
                masked += 1
            elif seen == labels[p]:
                kept += 1
    return masked, kept


def sum_statistics(receipts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the ``statistics`` of receipts with `add_statistics`."""
    total: dict[str, Any] = {}
    for receipt in receipts:
        total = add_statistics(total, receipt["statistics"])
    return total
