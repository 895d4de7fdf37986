"""Predictions on new text: labels that a model does not have, and lines of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.finetuning import QUICK

from wpprep.errors import OptionError
from wpprep.training.finetuning.examples import Answer, Example, Prediction
from wpprep.training.finetuning.predicting import predict, to_line
from wpprep.training.finetuning.tuning import finetune


@pytest.mark.parametrize(
    ("task", "known", "text"),
    [
        ("classify", "sentiment.tsv", "text\tlabel\nThe tour was a joy.\tpositive\nIt was odd.\tmixed\n"),
        ("tag", "entities.conll", "Maren B-PER\nsleeps O\n\nMonday B-DAY\ncomes O\n"),
    ],
)
def test_labels_that_a_model_has_not_count_as_missed(
    model: Path, labelled: Path, tmp_path: Path, task: Any, known: str, text: str
) -> None:
    """New text with a label that the model does not have is predicted, and counts as wrong."""
    finetune(model, labelled / known, tmp_path / "out", task=task, **{**QUICK, "epochs": 1})
    (tmp_path / "new").write_text(text)
    done = predict(tmp_path / "out", tmp_path / "new", tmp_path / "found.jsonl")
    assert done.examples == 2
    assert done.measures is not None
    assert done.measures["accuracy"] < 1
    gold = [json.loads(line)["gold"] for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert gold[1] in ("mixed", ["B-DAY", "O"])


@pytest.mark.parametrize(
    ("example", "prediction", "line"),
    [
        (
            Example(("a",), None, "f:1", None, "a"),
            {"label": "x", "probability": 0.5},
            '{"row": 3, "label": "x", "probability": 0.5}',
        ),
        (
            Example(("a",), 2.5, "f:1", "7", "a"),
            {"label": 2.0},
            '{"row": 3, "id": "7", "label": 2.0, "gold": 2.5}',
        ),
        (
            Example(("q", "서울"), (Answer("서울", 0),), "f:1", None, "c"),
            {"answer": "서울", "start": 0, "score": 1.0},
            '{"row": 3, "answer": "서울", "start": 0, "score": 1.0, "gold": ["서울"]}',
        ),
        (
            Example(("a", "b"), ("O", "B"), "f:1", None, "a b"),
            {"words": ["a", "b"], "tags": ["O", "O"]},
            '{"row": 3, "words": ["a", "b"], "tags": ["O", "O"], "gold": ["O", "B"]}',
        ),
    ],
)
def test_a_line_has_row_id_prediction_and_gold(example: Example, prediction: Prediction, line: str) -> None:
    """An id and a label are written if the example has them; answers are written without their positions."""
    assert to_line(3, example, prediction).decode() == line + "\n"


def test_a_batch_has_at_least_one_row(tmp_path: Path) -> None:
    """A batch size below 1 is refused before the model is read."""
    with pytest.raises(OptionError, match="batch_size is 0, expected at least 1"):
        predict(tmp_path / "model", tmp_path / "data", tmp_path / "out", batch_size=0)
