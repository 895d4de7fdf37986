"""Predictions on text, in the order of its file, in memory that does not grow with it.

    {"row": 0, "id": "7", "label": "positive", "probability": 0.93}    classify, pair, choice
    {"row": 0, "label": 3.2}                                           regress, pair-regress
    {"row": 0, "words": ["Sioux", "Falls"], "tags": ["B-LOC", "I-LOC"]}
    {"row": 0, "id": "q1", "answer": "Sioux Falls", "start": 17, "score": 9.1}

Where the file has labels, each line also has its ``gold``, and the measures are given. So many examples are
taken at a time, their rows sorted by length, forwarded, and put back in order.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wpprep.config import LabelledOptions, build, refuse_unknown
from wpprep.errors import OptionError
from wpprep.storage.files import atomic_write
from wpprep.training.finetuning.examples import Example
from wpprep.training.finetuning.heads import read_tuned
from wpprep.training.finetuning.labelled import read_examples
from wpprep.training.finetuning.model_rows import Row, collate, sorted_batches
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS, Measures, Output, Prediction
from wpprep.training.model.ranks import Ranks

_CHUNK = 1024  # examples that are sorted by length together


@dataclass(frozen=True)
class Predicted:
    """What `predict` did.

    Attributes:
        path: the file of predictions.
        examples: how many there are.
        cut: how many of them were too long and lost tokens (qa and tag lose none of their text).
        measures: where every example has its label, how well the model does; else None.
    """

    path: Path
    examples: int
    cut: int
    measures: Measures | None


def predict(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    batch_size: int = 64,
    **options: Any,
) -> Predicted:
    """Predict on new text with a fine-tuned model; a line of JSON an example.

    Args:
        model: a folder that `finetune` wrote.
        data: a file of the format that the task is learned from, with or without labels.
        out: the file of predictions.
        batch_size: rows that are forwarded together.
        **options: see `wpprep.config.LabelledOptions`.

    Raises:
        MissingInputError: there is no such model or file.
        CorpusError: a line cannot be read; names file and line.
    """
    refuse_unknown(options, LabelledOptions)
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, expected at least 1")
    tuned, setup = read_tuned(Path(model))
    tuned.to(Ranks().device())
    examples = read_examples(Path(data), setup.task, build(LabelledOptions, options), labelled=False)
    judged: list[tuple[Example, Prediction]] = []
    rows = cut = 0
    with atomic_write(out) as file:
        for example, prediction, lost in run(tuned, setup, examples, batch_size):
            file.write(to_line(rows, example, prediction))
            rows, cut = rows + 1, cut + (lost > 0)
            if example.gold is not None:  # what is measured is small beside the texts
                judged.append((example._replace(texts=()), {**prediction, "words": ()}))
    measures = None
    if len(judged) == rows:
        measures = TASKS[setup.task].measure([each for each, _ in judged], [line for _, line in judged], setup)
    return Predicted(Path(out), rows, cut, measures)


def run(
    model: Any, setup: Setup, examples: Iterable[Example], batch_size: int
) -> Iterator[tuple[Example, Prediction, int]]:
    """Each example with its prediction and how many tokens of it were left out."""
    task = TASKS[setup.task]
    rest = iter(examples)
    while chunk := list(itertools.islice(rest, _CHUNK)):
        encoded = [task.encode(example, setup) for example in chunk]
        outputs = forward(model, setup, [row for rows in encoded for row in rows], batch_size)
        start = 0
        for example, rows in zip(chunk, encoded, strict=True):
            stop = start + len(rows)
            prediction = task.decode(example, rows, outputs[start:stop], setup)
            yield example, prediction, sum(row.cut for row in rows)
            start = stop


def forward(model: Any, setup: Setup, rows: Sequence[Row], batch_size: int) -> list[Output]:
    """What the head says of each row, in their order."""
    outputs: list[Output] = [np.empty(0, np.float32)] * len(rows)
    with torch.inference_mode():
        for batch in sorted_batches(rows, np.arange(len(rows)), batch_size):
            found = model(**inputs_of([rows[i] for i in batch], setup, model.device))
            logits = (
                found.logits if setup.task != "qa" else torch.stack([found.start_logits, found.end_logits], -1)
            )
            for i, output in zip(batch, logits.float().cpu().numpy(), strict=True):
                outputs[i] = output
    return outputs


def inputs_of(rows: Sequence[Row], setup: Setup, device: torch.device) -> dict[str, torch.Tensor]:
    """The arguments of the model's forward pass; those of choices have a dimension for these."""
    inputs = collate(rows, setup.vocabulary.roles.pad, device)
    if setup.task != "choice":
        return inputs
    return {name: tensor.view(len(rows), -1, tensor.shape[-1]) for name, tensor in inputs.items()}


def to_line(row: int, example: Example, prediction: Prediction) -> bytes:
    """A line of a file of predictions."""
    named = {} if example.id is None else {"id": example.id}
    gold = {} if example.gold is None else {"gold": _plain(example.gold)}
    return (json.dumps({"row": row, **named, **prediction, **gold}, ensure_ascii=False) + "\n").encode(
        errors="surrogatepass"
    )


def _plain(gold: Any) -> Any:
    return (
        [answer.text if hasattr(answer, "text") else answer for answer in gold]
        if isinstance(gold, tuple)
        else gold
    )
