"""Dense rows: padded columns worked by hand, and the way back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference import CLS, FIRST, MASK, PAD, SEP

from wpprep.instances.dense import IGNORED, pad_rows, unpad_rows
from wpprep.records import InstanceBatch, offsets_of


def batch_of(pairs: list[tuple[list[int], list[int]]]) -> InstanceBatch:
    """Return rows of A and B (or A alone), the first token of each A masked."""
    tokens = [[CLS, MASK, *a[1:], SEP, *b, SEP] if b else [CLS, MASK, *a[1:], SEP] for a, b in pairs]
    return InstanceBatch(
        input_ids=np.array([token for row in tokens for token in row], np.uint32),
        offsets=offsets_of(np.array([len(row) for row in tokens], np.int64)),
        b_start=np.array([len(a) + 2 for a, _ in pairs], np.int64),
        next_sentence_label=np.arange(len(pairs)).astype(np.uint8) % 2,
        document=np.zeros(len(pairs), np.int64),
        mlm_positions=np.ones(len(pairs), np.uint16),
        mlm_labels=np.array([a[0] for a, _ in pairs], np.uint32),
        mlm_offsets=np.arange(len(pairs) + 1),
    )


def test_columns_worked_by_hand() -> None:
    """[CLS] [MASK] 11 [SEP] 12 [SEP] in eight columns, and a row without B, with token_type_ids of 0."""
    dense = pad_rows(batch_of([([10, 11], [12]), ([13], [])]), 0, 2, 8, PAD)
    assert dense.input_ids.tolist() == [
        [CLS, MASK, 11, SEP, 12, SEP, PAD, PAD],
        [CLS, MASK, SEP, PAD, PAD, PAD, PAD, PAD],
    ]
    assert dense.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0], [0] * 8]
    assert dense.attention_mask.tolist() == [[1] * 6 + [0] * 2, [1] * 3 + [0] * 5]
    assert dense.labels.tolist() == [[IGNORED, 10, *[IGNORED] * 6], [IGNORED, 13, *[IGNORED] * 6]]
    assert dense.next_sentence_label.tolist() == [0, 1]
    assert [array.dtype.name for array in dense] == ["int32", "int8", "int8", "int32", "int8"]


def test_a_range_of_rows_is_padded() -> None:
    """Rows 1 to 3 of three rows: the end may be beyond the last row."""
    dense = pad_rows(batch_of([([10], [11]), ([12], [13]), ([14], [15])]), 1, 4, 5, PAD)
    assert dense.input_ids.tolist() == [[CLS, MASK, SEP, 13, SEP], [CLS, MASK, SEP, 15, SEP]]
    assert dense.labels[:, 1].tolist() == [12, 14]
    assert dense.next_sentence_label.tolist() == [1, 0]


SIDE = st.lists(st.integers(FIRST, 2**17), min_size=1, max_size=9)


@given(st.lists(st.tuples(SIDE, SIDE | st.just([])), max_size=6))
def test_rows_are_restored(pairs: list[tuple[list[int], list[int]]]) -> None:
    """Padding and removing it gives the same batch; the number of the document is lost."""
    batch = batch_of(pairs)
    restored = unpad_rows(pad_rows(batch, 0, len(batch), 24, PAD))
    for name in (
        "input_ids",
        "offsets",
        "b_start",
        "next_sentence_label",
        "mlm_positions",
        "mlm_labels",
        "mlm_offsets",
    ):
        assert getattr(restored, name).tolist() == getattr(batch, name).tolist(), name
