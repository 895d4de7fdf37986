"""What a BERT is fine-tuned for: a head of transformers, and how examples become rows and outputs answers.

Each task is four functions, in the table at the end:

    encode(example, setup)                 rows, their targets in them
    targets(rows)                          what the head's loss takes beside the inputs
    decode(example, rows, outputs, setup)  the prediction, as it is written to a file
    measure(examples, predictions, setup)  the scores; the first of them says which model is the best

Answering questions and tagging words have rooms of their own (`answering`, `tagging`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from wpprep.training.finetuning import question_answering as answering
from wpprep.training.finetuning import tagging
from wpprep.training.finetuning.examples import Example
from wpprep.training.finetuning.measures import accuracy, f1, macro_f1, matthews, pearson, spearman
from wpprep.training.finetuning.model_rows import Row, join
from wpprep.training.finetuning.model_setup import Setup

Output = npt.NDArray[np.float32]  # what the head says of one row: [labels], [choices], [length, labels or 2]
Prediction = dict[str, Any]
Measures = dict[str, float]
Examples = Sequence[Example]


@dataclass(frozen=True)
class Task:
    """One line of the table."""

    head: Any
    encode: Callable[[Example, Setup], list[Row]]
    targets: Callable[[Sequence[Row], int], dict[str, torch.Tensor]]
    decode: Callable[[Example, Sequence[Row], Sequence[Output], Setup], Prediction]
    measure: Callable[[Examples, Sequence[Prediction], Setup], Measures]


def encode_text(example: Example, setup: Setup) -> list[Row]:
    """One row of one text or two; a label that the model has not is no target."""
    ids = [setup.encode(text).ids for text in example.texts]
    part, cut = join(setup.vocabulary.roles, ids[0], ids[1] if len(ids) > 1 else None, setup.max_seq_length)
    target = example.gold
    if setup.labels:
        target = setup.labels.index(target) if target in setup.labels else None
    return [Row((part,), target, cut=cut)]


def encode_choices(example: Example, setup: Setup) -> list[Row]:
    """One row, a sequence for each choice beside the question."""
    question, *choices = [setup.encode(text).ids for text in example.texts]
    joined = [join(setup.vocabulary.roles, question, choice, setup.max_seq_length) for choice in choices]
    return [Row(tuple(part for part, _ in joined), example.gold, cut=sum(cut for _, cut in joined))]


def classes(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Indices of labels or choices."""
    return {"labels": torch.tensor([row.target for row in rows])}


def numbers(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Numbers to come close to."""
    return {"labels": torch.tensor([row.target for row in rows], dtype=torch.float32)}


def decode_label(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """The likeliest label and its probability."""
    chances = softmax(outputs[0])
    best = int(chances.argmax())
    return {"label": setup.labels[best], "probability": float(chances[best])}


def decode_choice(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """The number of the likeliest choice and its probability."""
    chances = softmax(outputs[0])
    best = int(chances.argmax())
    return {"label": best, "probability": float(chances[best])}


def decode_number(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """The number."""
    return {"label": float(outputs[0][0])}


def measure_labels(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Accuracy, macro F1 and Matthews' correlation; of two labels also the F1 of the second."""
    gold, found = [example.gold for example in examples], [line["label"] for line in predictions]
    binary = {"f1": f1(gold, found, setup.labels[1])} if len(setup.labels) == 2 else {}
    return {
        "accuracy": accuracy(gold, found),
        **binary,
        "macro_f1": macro_f1(gold, found),
        "matthews": matthews(gold, found),
    }


def measure_choices(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Accuracy."""
    return {
        "accuracy": accuracy([example.gold for example in examples], [line["label"] for line in predictions])
    }


def measure_numbers(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Pearson's and Spearman's correlation, and the mean squared error."""
    gold, found = [example.gold for example in examples], [line["label"] for line in predictions]
    error = float(np.mean(np.subtract(gold, found) ** 2))
    return {"pearson": pearson(gold, found), "spearman": spearman(gold, found), "squared_error": error}


def softmax(logits: Output) -> Output:
    """Probabilities, ``float32`` of the same shape."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()  # type: ignore[no-any-return]


def label_order(label: str) -> tuple[float, str]:
    """Labels in the order of people: numbers by size, then words; O first.

    >>> sorted(["10", "9", "neutral", "B-LOC", "O"], key=label_order)
    ['O', '9', '10', 'B-LOC', 'neutral']
    """
    if label == "O":
        return (-float("inf"), label)
    try:
        return (float(label), label)
    except ValueError:
        return (float("inf"), label)


_LABELS = Task(BertForSequenceClassification, encode_text, classes, decode_label, measure_labels)
_NUMBERS = Task(BertForSequenceClassification, encode_text, numbers, decode_number, measure_numbers)
TASKS = {
    "classify": _LABELS,
    "pair": _LABELS,
    "regress": _NUMBERS,
    "pair-regress": _NUMBERS,
    "choice": Task(BertForMultipleChoice, encode_choices, classes, decode_choice, measure_choices),
    "tag": Task(BertForTokenClassification, tagging.encode, tagging.targets, tagging.decode, tagging.measure),
    "qa": Task(
        BertForQuestionAnswering, answering.encode, answering.targets, answering.decode, answering.measure
    ),
}
