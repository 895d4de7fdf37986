"""Predictions on a file, in its order, with memory that does not grow with its texts.

    {"row": 0, "id": "7", "label": "positive", "probability": 0.93}    classify, pair, choice
    {"row": 0, "label": 3.2}                                           regress, pair-regress
    {"row": 0, "words": ["Sioux", "Falls"], "tags": ["B-LOC", "I-LOC"]}
    {"row": 0, "id": "q1", "answer": "Sioux Falls", "start": 17, "score": 9.1}

If the file has labels, each line also has its ``gold``, and the measures are returned. Examples are read in
chunks; the rows of a chunk are sorted by length, run through the model, and put back in order.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import numpy as np
import torch

from wpprep.config import LabelledOptions, build, refuse_unknown
from wpprep.config.keywords import PredictKeywords
from wpprep.errors import OptionError
from wpprep.jobs.summary import Summary
from wpprep.storage.output_file import Recognise, output_file, refuse_output
from wpprep.storage.place import Location, Place
from wpprep.training.finetuning.examples import Example, Prediction
from wpprep.training.finetuning.heads import read_tuned
from wpprep.training.finetuning.labelled import read_examples
from wpprep.training.finetuning.model_rows import Row, collate, sorted_batches
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS, Measures, Output
from wpprep.training.model.ranks import Ranks

_CHUNK_CHARACTERS = 1 << 25
_CHUNK = 1024  # examples sorted by length together


@dataclass(frozen=True, kw_only=True, repr=False)
class PredictSummary(Summary):
    """The result of `predict`.

    Attributes:
        path: the file of predictions.
        examples: number of examples.
        cut: number of examples that were truncated (qa and tag split long texts into windows instead).
        measures: the measures if every example has its label, else None.
    """

    path: Location
    examples: int
    cut: int
    measures: Measures | None

    @property
    def place(self) -> Location:
        """The file of predictions."""
        return self.path

    @property
    def headline(self) -> str:
        """The number of predictions."""
        return f"{self.examples:,} predictions"


def predict(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    batch_size: int = 64,
    overwrite: bool = False,
    **options: Unpack[PredictKeywords],
) -> PredictSummary:
    """Predict on new text with a fine-tuned model; write one line of JSON per example.

    Args:
        model: a folder that `finetune` wrote.
        data: a file in a format of the model's task, with or without labels.
        out: the file of predictions; ``-`` for standard output. A file of earlier predictions is replaced.
        batch_size: number of rows in a batch.
        overwrite: replace any other file.
        **options: see `wpprep.config.LabelledOptions`.

    Raises:
        MissingInputError: the model or the file does not exist.
        CorpusError: a line cannot be read; the message has file and line.
        OptionError: an option is unknown or out of range.
        OutputError: ``out`` is an input, or another file that exists.
    """
    started = time.perf_counter()
    refuse_unknown(options, LabelledOptions)
    if batch_size < 1:
        raise OptionError(f"batch_size is {batch_size}, expected at least 1")
    reading = build(LabelledOptions, options)
    guard: _Guard = {"inputs": [data], "is_ours": _is_predictions, "overwrite": overwrite}
    refuse_output(out, **guard)
    tuned, setup = read_tuned(model)
    tuned.to(Ranks().device())
    examples = read_examples(Place(data).file(), setup.task, reading, labelled=False)
    judged: list[tuple[Example, Prediction]] = []
    rows = cut = 0
    with output_file(out, **guard) as file:
        for example, prediction, lost in run(tuned, setup, examples, batch_size):
            file.write(to_line(rows, example, prediction))
            rows, cut = rows + 1, cut + (lost > 0)
            if example.gold is not None:  # without texts, so that memory stays small
                judged.append((example._replace(texts=()), {**prediction, "words": ()}))
    measures = None
    if len(judged) == rows:
        measures = TASKS[setup.task].measure([each for each, _ in judged], [line for _, line in judged], setup)
    return PredictSummary(
        command="predict",
        seconds=time.perf_counter() - started,
        path=Place(out).location,
        examples=rows,
        cut=cut,
        measures=measures,
    )


class _Guard(TypedDict):
    """Arguments of `output_file`."""

    inputs: Sequence[str | os.PathLike[str]]
    is_ours: Recognise
    overwrite: bool


def _is_predictions(head: bytes) -> bool:
    """Return whether a file that begins with these bytes holds predictions, by its first line."""
    return head.startswith(b'{"row": ')


def run(
    model: Any, setup: Setup, examples: Iterable[Example], batch_size: int
) -> Iterator[tuple[Example, Prediction, int]]:
    """Yield each example with its prediction and the number of its tokens that were truncated."""
    task = TASKS[setup.task]
    rest = iter(examples)
    while chunk := _next_chunk(rest):
        encoded = [task.encode(example, setup) for example in chunk]
        outputs = forward(model, setup, [row for rows in encoded for row in rows], batch_size)
        start = 0
        for example, rows in zip(chunk, encoded, strict=True):
            stop = start + len(rows)
            prediction = task.decode(example, rows, outputs[start:stop], setup)
            yield example, prediction, sum(row.cut for row in rows)
            start = stop


def _next_chunk(examples: Iterator[Example]) -> list[Example]:
    """Return the next examples to sort together, at most `_CHUNK`, fewer if their texts are long."""
    chunk: list[Example] = []
    characters = 0
    for example in itertools.islice(examples, _CHUNK):
        chunk.append(example)
        characters += sum(map(len, example.texts))
        if characters >= _CHUNK_CHARACTERS:
            break
    return chunk


def forward(model: Any, setup: Setup, rows: Sequence[Row], batch_size: int) -> list[Output]:
    """Return the logits of each row, in the order of the rows; shapes depend on the task, see `Output`."""
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
    """Return the arguments of the model's forward pass.

    Each is ``int64[rows, length]``; for the task choice ``int64[rows, choices, length]``.
    """
    inputs = collate(rows, setup.vocabulary.roles.pad, device)
    if setup.task != "choice":
        return inputs
    return {name: tensor.view(len(rows), -1, tensor.shape[-1]) for name, tensor in inputs.items()}


def to_line(row: int, example: Example, prediction: Prediction) -> bytes:
    """Return a line of a file of predictions, encoded."""
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
