"""Tagging: windows between words, first pieces, and the way back from tokens to words."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning import tagging
from wpprep.training.finetuning.examples import Example
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tagging import First


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(4, 12))
def test_windows_of_words_hold_every_word_once(lengths: list[int], room: int) -> None:
    """Windows follow one another, begin at words, and are longer than the room only for one long word."""
    starts = np.cumsum([0, *lengths])
    firsts = [First(i, int(start)) for i, start in enumerate(starts[:-1])]
    found = list(tagging.windows(firsts, int(starts[-1]), room))
    assert found[0][0] == 0
    assert found[-1][1] == starts[-1]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(stop - start <= room or stop - start in lengths for start, stop in found)
    assert {start for start, _ in found} <= set(starts.tolist())


def test_long_sentences_are_tagged_to_the_end(model: Path) -> None:
    """In rows of 8 tokens every word keeps its own label: decoding the targets gives the gold tags back."""
    words = ("the", "keeper", "of", "Saint", "Orm", "sold", "\u200b", "42,000", "lighthouses", "to", "nobody")
    gold = ("O", "O", "O", "B", "I", "O", "O", "B", "O", "O", "O")
    setup = Setup(
        task="tag", vocabulary=Vocabulary.from_folder(model), labels=("O", "B", "I"), max_seq_length=8
    )
    example = Example(words, gold, "f:1", None, "")
    rows = tagging.encode(example, setup)
    assert len(rows) > 2
    outputs = []
    for row in rows:
        output = np.zeros((8, 3), np.float32)
        labels = tagging.targets([row], 8)["labels"][0].numpy()
        output[np.flatnonzero(labels >= 0), labels[labels >= 0]] = 1
        outputs.append(output)
    assert tuple(tagging.decode(example, rows, outputs, setup)["tags"]) == gold


def test_byte_level_pieces_find_their_words() -> None:
    """A piece that begins with the blank before a word is that word's first piece."""
    offsets = [(0, 5), (5, 11), (11, 12), (12, 16)]  # "Sioux", " Falls", ",", " now"
    words = ["Sioux", "Falls", ",now"]
    assert tagging.first_pieces(words[:2], offsets) == [First(0, 0), First(1, 1)]
    assert tagging.first_pieces(["Sioux", "\x00\x00\x00\x00\x00", "now"], [(0, 5), (12, 15)]) == [
        First(0, 0),
        First(2, 1),
    ]


def test_tags_that_are_no_entities_have_a_macro_f1(model: Path) -> None:
    """Two of three parts of speech are correct: accuracy 2/3; F1 is 1, 2/3 and 0, their mean 5/9."""
    setup = Setup(task="tag", vocabulary=Vocabulary.from_folder(model), labels=("D", "N", "V"))
    example = Example(("the", "fog", "lifts"), ("D", "N", "V"), "f:1", None, "")
    measures = tagging.measure([example], [{"words": example.texts, "tags": ["D", "N", "N"]}], setup)
    assert measures == pytest.approx({"accuracy": 2 / 3, "macro_f1": 5 / 9})
