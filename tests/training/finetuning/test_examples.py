"""Held-out examples and chosen ones: keyed by their texts, not by the order of the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.errors import CorpusError

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.examples import Example, choose, hold_out


@given(groups=st.lists(st.integers(0, 30), min_size=2, max_size=60), seed=st.integers(0, 5))
def test_holding_out_never_parts_a_group(groups: list[int], seed: int) -> None:
    """Groups are whole, both sides have some, and the split does not depend on the order of the file."""
    examples = [Example((str(group),), "x", f"f:{i}", None, str(group)) for i, group in enumerate(groups)]
    if len(set(groups)) == 1:
        with pytest.raises(CorpusError, match="one text"):
            hold_out(examples, 0.1, seed)
        return
    train, dev = hold_out(examples, 0.1, seed)
    assert sorted(train + dev) == sorted(examples)
    assert {example.group for example in train}.isdisjoint({example.group for example in dev})
    assert train
    assert len({example.group for example in dev}) == max(1, round(0.1 * len(set(groups))))
    assert sorted(hold_out(examples[::-1], 0.1, seed)[1]) == sorted(dev)


def test_chosen_examples_keep_their_order() -> None:
    """The seed determines which examples are chosen, and the order of the file is kept."""
    examples = [Example((str(i),), "x", f"f:{i:02}", None, str(i)) for i in range(50)]
    chosen = choose(examples, 20, 1)
    assert len(chosen) == 20
    assert [example.place for example in chosen] == sorted(example.place for example in chosen)
    assert chosen != choose(examples, 20, 2)
    assert choose(examples, None, 1) == examples
