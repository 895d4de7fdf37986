"""Entities of tags: by hand, and against a second implementation of conlleval's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.entities import entities

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.entities import entities_of, entity_scores, spells_entities

TAGS = st.lists(
    st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in "XY")]), max_size=12
)


@given(TAGS)
def test_entities_are_those_of_conlleval(tags: list[str]) -> None:
    """One pass finds the entities that conlleval's two rules, applied between each two tags, find."""
    assert [tuple(entity) for entity in entities_of(tags)] == entities(tags)


def test_iob1_and_iob2_are_read_alike() -> None:
    """IOB1 begins with I and has B only between neighbours of one kind; IOB2 always begins with B."""
    iob1 = ["I-LOC", "I-LOC", "B-LOC", "O", "I-PER", "I-LOC"]
    iob2 = ["B-LOC", "I-LOC", "B-LOC", "O", "B-PER", "B-LOC"]
    expected = [("LOC", 0, 2), ("LOC", 2, 3), ("PER", 4, 5), ("LOC", 5, 6)]
    assert [tuple(entity) for entity in entities_of(iob1)] == expected
    assert [tuple(entity) for entity in entities_of(iob2)] == expected


def test_entity_scores_by_hand() -> None:
    """Two true, three predicted, one correct in kind and both ends: precision 1/3, recall 1/2, F1 2*1/(2+3)."""
    gold = [["B-PER", "I-PER", "O"], ["B-LOC", "O"]]
    found = [["B-PER", "I-PER", "B-LOC"], ["B-PER", "O"]]
    assert entity_scores(gold, found) == pytest.approx((0.4, 1 / 3, 1 / 2))
    assert entity_scores([["O"]], [["O"]]) == (0.0, 0.0, 0.0)
    assert not spells_entities(["NOUN", "O"])
