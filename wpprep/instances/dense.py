"""Dense rows: instances padded to one width, ready for training without further processing.

    input_ids            int32[width]   [CLS] A [SEP] B [SEP] [PAD] ..., masks applied
    token_type_ids       int8[width]    1 in B
    attention_mask       int8[width]    0 at padding
    labels               int32[width]   the original id at predicted positions, else -100; static masking only
    next_sentence_label  int8           as in compact shards

The names and the -100 are those that transformers' models and trainer expect. Dense rows are larger than
compact ones: padding is stored, and every label has a position of its own.

This module does not read or write files (`shards.format`, `pipeline.export`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit
from wpprep.records import InstanceBatch, Ints, Tokens, offsets_of

IGNORED = -100  # label at positions that are not predicted

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]


class DenseRows(NamedTuple):
    """Padded rows: every array but the last is ``[rows, width]``; dtypes as in the module's docstring."""

    input_ids: Int32
    token_type_ids: Int8
    attention_mask: Int8
    labels: Int32
    next_sentence_label: Int8


def pad_rows(batch: InstanceBatch, start: int, stop: int, width: int, pad: int) -> DenseRows:
    """Pad rows ``start`` to ``stop`` of a batch to ``width`` tokens with the id ``pad``.

    No row may have more than ``width`` tokens; ``stop`` may be beyond the last row.
    """
    shape = (min(stop, len(batch)) - start, width)
    dense = DenseRows(
        input_ids=np.full(shape, pad, np.int32),
        token_type_ids=np.zeros(shape, np.int8),
        attention_mask=np.zeros(shape, np.int8),
        labels=np.full(shape, IGNORED, np.int32),
        next_sentence_label=batch.next_sentence_label[start : start + shape[0]].astype(np.int8),
    )
    _fill(
        start,
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        batch.mlm_positions,
        batch.mlm_labels,
        batch.mlm_offsets,
        dense,
    )
    return dense


def unpad_rows(dense: DenseRows) -> InstanceBatch:
    """Convert rows back to a batch with 32-bit ids; ``document``, which dense rows lack, is 0."""
    is_token = dense.attention_mask == 1
    is_predicted = dense.labels != IGNORED
    lengths, in_b = is_token.sum(axis=1), dense.token_type_ids == 1
    return InstanceBatch(
        input_ids=dense.input_ids[is_token].astype(np.uint32),
        offsets=offsets_of(lengths),
        b_start=np.where(in_b.any(axis=1), in_b.argmax(axis=1), lengths),
        next_sentence_label=dense.next_sentence_label.astype(np.uint8),
        document=np.zeros(len(lengths), np.int64),
        mlm_positions=np.nonzero(is_predicted)[1].astype(np.uint16),
        mlm_labels=dense.labels[is_predicted].astype(np.uint32),
        mlm_offsets=offsets_of(is_predicted.sum(axis=1)),
    )


@njit(cache=True)
def _fill(
    start: int,
    tokens: Tokens,
    offsets: Ints,
    b_start: Ints,
    positions: npt.NDArray[np.uint16],
    original: Tokens,
    mlm_offsets: Ints,
    dense: DenseRows,
) -> None:
    """Copy the rows from ``start`` on to ``dense``, which contains padding; arrays as in `InstanceBatch`."""
    input_ids, token_type_ids, attention_mask, labels, _ = dense
    for i in range(len(input_ids)):
        row = start + i
        first, length = offsets[row], offsets[row + 1] - offsets[row]
        for j in range(length):
            input_ids[i, j] = tokens[first + j]
            token_type_ids[i, j] = j >= b_start[row]
            attention_mask[i, j] = 1
        for p in range(mlm_offsets[row], mlm_offsets[row + 1]):
            labels[i, positions[p]] = original[p]
