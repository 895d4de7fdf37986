"""The table of fine-tuning tasks: for each a head of transformers and four functions.

    encode(example, setup)                 the rows of an example, with their targets
    targets(rows, length)                  the arguments of the head's loss
    decode(example, rows, outputs, setup)  the prediction, as it is written to a file
    measure(examples, predictions, setup)  the measures; models are compared by the first

Question answering and tagging have modules of their own (`question_answering`, `tagging`).
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
from wpprep.training.finetuning.examples import Example, Prediction
from wpprep.training.finetuning.measures import accuracy, f1, macro_f1, matthews, pearson, spearman
from wpprep.training.finetuning.model_rows import Row, join
from wpprep.training.finetuning.model_setup import Setup

Output = npt.NDArray[np.float32]  # logits of one row: [labels], [choices], [length, labels or 2]
Measures = dict[str, float]
Examples = Sequence[Example]


@dataclass(frozen=True)
class Task:
    """An entry of the table.

    Attributes:
        head: a class of transformers.
        encode, targets, decode, measure: see above.
    """

    head: Any
    encode: Callable[[Example, Setup], list[Row]]
    targets: Callable[[Sequence[Row], int], dict[str, torch.Tensor]]
    decode: Callable[[Example, Sequence[Row], Sequence[Output], Setup], Prediction]
    measure: Callable[[Examples, Sequence[Prediction], Setup], Measures]


def encode_text(example: Example, setup: Setup) -> list[Row]:
    """Return one row of one text or two; its target is None if the model does not have the label."""
    ids = [setup.encode(text).ids for text in example.texts]
    part, cut = join(setup.vocabulary.roles, ids[0], ids[1] if len(ids) > 1 else None, setup.max_seq_length)
    target = example.gold
    if setup.labels:
        target = setup.labels.index(target) if target in setup.labels else None
    return [Row((part,), target, cut=cut)]


def encode_choices(example: Example, setup: Setup) -> list[Row]:
    """Return one row with a sequence for each choice, the question before it."""
    question, *choices = [setup.encode(text).ids for text in example.texts]
    joined = [join(setup.vocabulary.roles, question, choice, setup.max_seq_length) for choice in choices]
    return [Row(tuple(part for part, _ in joined), example.gold, cut=sum(cut for _, cut in joined))]


def classes(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Return the indices of labels or choices, ``int64[rows]``."""
    return {"labels": torch.tensor([row.target for row in rows])}


def numbers(rows: Sequence[Row], length: int) -> dict[str, torch.Tensor]:
    """Return the target numbers, ``float32[rows]``."""
    return {"labels": torch.tensor([row.target for row in rows], dtype=torch.float32)}


def decode_label(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """Return the most probable label and its probability."""
    chances = softmax(outputs[0])
    best = int(chances.argmax())
    return {"label": setup.labels[best], "probability": float(chances[best])}


def decode_choice(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """Return the index of the most probable choice and its probability."""
    chances = softmax(outputs[0])
    best = int(chances.argmax())
    return {"label": best, "probability": float(chances[best])}


def decode_number(example: Example, rows: Sequence[Row], outputs: Sequence[Output], setup: Setup) -> Prediction:
    """Return the predicted number."""
    return {"label": float(outputs[0][0])}


def measure_labels(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Return accuracy, macro F1 and Matthews' correlation; with two labels also the F1 of the second."""
    gold, found = [example.gold for example in examples], [line["label"] for line in predictions]
    binary = {"f1": f1(gold, found, setup.labels[1])} if len(setup.labels) == 2 else {}
    return {
        "accuracy": accuracy(gold, found),
        **binary,
        "macro_f1": macro_f1(gold, found),
        "matthews": matthews(gold, found),
    }


def measure_choices(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Return the accuracy."""
    return {
        "accuracy": accuracy([example.gold for example in examples], [line["label"] for line in predictions])
    }


def measure_numbers(examples: Examples, predictions: Sequence[Prediction], setup: Setup) -> Measures:
    """Return Pearson's and Spearman's correlation, and the mean squared error."""
    gold, found = [example.gold for example in examples], [float(line["label"]) for line in predictions]
    error = float(np.mean(np.subtract(gold, found) ** 2))
    return {"pearson": pearson(gold, found), "spearman": spearman(gold, found), "squared_error": error}


def softmax(logits: Output) -> Output:
    """Return the probabilities of logits, ``float32`` of the same shape."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()  # type: ignore[no-any-return]


def label_order(label: str) -> tuple[float, str]:
    """Return the sort key of a label: O first, then numbers by value, then words.

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
