"""The table of tasks: rows of examples, predictions of outputs, and measures, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.config import USES
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning.examples import Example, Prediction
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS, softmax


def example(*texts: str, gold: Any = None) -> Example:
    """An example of a file."""
    return Example(texts, gold, "f:1", None, texts[0])


def test_every_task_of_the_options_is_in_the_table() -> None:
    """The option `task` accepts the keys of the table and no others."""
    assert set(TASKS) == set(USES)


def test_labels_are_indices(model: Path) -> None:
    """A pair is one row with two segments; a label that the model does not have gives no target."""
    setup = Setup(task="pair", vocabulary=Vocabulary.from_folder(model), labels=("no", "yes"))
    (row,) = TASKS["pair"].encode(example("lamp", "fog", gold="yes"), setup)
    roles = setup.vocabulary.roles
    lamp, fog = setup.encode("lamp").ids, setup.encode("fog").ids
    assert row.parts[0].ids == [roles.cls, *lamp, roles.sep, *fog, roles.sep]
    assert row.parts[0].b_start == len(lamp) + 2
    assert row.target == 1
    assert TASKS["pair"].targets([row, row], 8)["labels"].tolist() == [1, 1]
    (row,) = TASKS["pair"].encode(example("lamp", "fog", gold="maybe"), setup)
    assert row.target is None


def test_choices_share_their_question(model: Path) -> None:
    """A row has a sequence for each choice, and the tokens truncated in all of them are counted."""
    setup = Setup(task="choice", vocabulary=Vocabulary.from_folder(model), max_seq_length=8)
    (row,) = TASKS["choice"].encode(example("fog " * 9, "lamp", "tide", gold=1), setup)
    assert [len(part.ids) for part in row.parts] == [8, 8]
    assert row.target == 1
    question, choices = setup.encode("fog " * 9).ids, [setup.encode(text).ids for text in ("lamp", "tide")]
    assert row.cut == sum(len(question) + len(choice) - 5 for choice in choices)


@pytest.mark.parametrize(
    ("task", "logits", "expected"),
    [
        ("classify", [0.0, np.log(3.0)], {"label": "good", "probability": 0.75}),
        ("choice", [np.log(3.0), 0.0], {"label": 0, "probability": 0.75}),
        ("regress", [2.5], {"label": 2.5}),
    ],
)
def test_outputs_become_predictions(model: Path, task: str, logits: list[float], expected: Prediction) -> None:
    """Probabilities are the softmax of the logits: 3 / (1 + 3); a number is the logit itself."""
    setup = Setup(task=task, vocabulary=Vocabulary.from_folder(model), labels=("bad", "good"))
    found = TASKS[task].decode(example("a"), [], [np.array(logits, np.float32)], setup)
    assert found == pytest.approx(expected)


def test_labels_and_numbers_are_measured(model: Path) -> None:
    """Of two labels one of two is correct; numbers 1 and 3 predicted as 2 and 4 are off by 1 and correlate."""
    setup = Setup(task="classify", vocabulary=Vocabulary.from_folder(model), labels=("bad", "good"))
    gold = [example("a", gold="good"), example("b", gold="bad")]
    measures = TASKS["classify"].measure(gold, [{"label": "good"}, {"label": "good"}], setup)
    assert measures == pytest.approx({"accuracy": 0.5, "f1": 2 / 3, "macro_f1": 1 / 3, "matthews": 0.0})
    gold = [example("a", gold=1.0), example("b", gold=3.0)]
    measures = TASKS["regress"].measure(gold, [{"label": 2.0}, {"label": 4.0}], setup)
    assert measures == pytest.approx({"pearson": 1.0, "spearman": 1.0, "squared_error": 1.0})


def test_large_logits_do_not_overflow() -> None:
    """The largest logit is subtracted first, so that 1000 and 1000 are one half each."""
    assert softmax(np.array([1000.0, 1000.0], np.float32)).tolist() == [0.5, 0.5]
