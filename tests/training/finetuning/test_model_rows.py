"""Input rows and batches: lengths, truncation, padding, segments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bert import torch

from wpprep.records import TokenRoles
from wpprep.training.finetuning.model_rows import Part, Row, collate, fit, join, plan_batches


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3)), min_size=1, max_size=60), st.integers(1, 7))
def test_batches_hold_every_row_once(shapes: list[tuple[int, int]], batch_size: int) -> None:
    """Each row is in one batch, padded to a multiple of 8, with rows of the same number of parts."""
    rows = [Row((Part([7] * length, length),) * parts, 0) for length, parts in shapes]
    batches = plan_batches(rows, batch_size, 2, seed=3, epoch=1)
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    for batch in batches:
        chosen = [rows[i] for i in batch]
        assert len(chosen) <= batch_size
        assert len({len(row.parts) for row in chosen}) == 1
        inputs = collate(chosen, 0, torch.device("cpu"))
        longest = max(len(row.parts[0].ids) for row in chosen)
        assert inputs["input_ids"].shape[1] == -(-longest // 8) * 8
        assert int(inputs["attention_mask"].sum()) == sum(len(part.ids) for row in chosen for part in row.parts)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 60))
def test_pairs_fit(first: int, second: int, room: int) -> None:
    """Two texts fit the room; a side is truncated only if both do not fit, and to no less than half."""
    a, b = fit(first, second, room)
    assert (a, b) == (first, second) if first + second <= room else a + b in (room, room - 1)
    assert a == first or a >= room // 2
    assert b == second or b >= room // 2


@pytest.mark.parametrize(
    ("first", "second", "longest", "ids", "b_start", "cut"),
    [
        ([11, 12], None, 8, [2, 11, 12, 3], 4, 0),
        ([11, 12, 13], None, 4, [2, 11, 12, 3], 4, 1),
        ([11, 12], [21], 8, [2, 11, 12, 3, 21, 3], 4, 0),
        ([11, 12, 13, 14], [21], 6, [2, 11, 12, 3, 21, 3], 4, 2),
    ],
)
def test_sequences_by_hand(
    first: list[int], second: list[int] | None, longest: int, ids: list[int], b_start: int, cut: int
) -> None:
    """[CLS] is 2 and [SEP] 3; B starts after the first [SEP], and the longer text is truncated."""
    roles = TokenRoles(30, 0, 1, 2, 3, 4, np.arange(5, 30), None)
    assert join(roles, first, second, longest) == (Part(ids, b_start), cut)


def test_segments_and_padding_by_hand() -> None:
    """B is segment 1; both sequences are padded to 8, which the attention mask excludes."""
    rows = [Row((Part([2, 11, 3, 21, 3], 3),), 0), Row((Part([2, 11, 3], 3),), 1)]
    inputs = {name: tensor.tolist() for name, tensor in collate(rows, 0, torch.device("cpu")).items()}
    assert inputs == {
        "input_ids": [[2, 11, 3, 21, 3, 0, 0, 0], [2, 11, 3, 0, 0, 0, 0, 0]],
        "token_type_ids": [[0, 0, 0, 1, 1, 0, 0, 0], [0] * 8],
        "attention_mask": [[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0]],
    }


def test_epochs_have_orders_of_their_own() -> None:
    """The same epoch has the same batches, another epoch others."""
    rows = [Row((Part([7] * 4, 4),), 0)] * 40
    orders = [
        [batch.tolist() for batch in plan_batches(rows, 8, 2, seed=3, epoch=epoch)] for epoch in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
