"""Models with a head for a task, built from any BERT's folder or read from a fine-tuned model's folder.

A fine-tuned model's folder holds a model of transformers with its tokenizer and the names of its labels, and
results.json with its setup and its measures.

What this module does not do: download.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from wpprep.config import FinetuneOptions
from wpprep.errors import MissingInputError
from wpprep.storage.files import write_text
from wpprep.storage.json_files import read_json
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS
from wpprep.training.model.loading import load, open_model, read_config, read_vocabulary

RESULTS = "results.json"


class SetupValues(TypedDict):
    """A `Setup` as results.json holds it; the vocabulary is the folder's."""

    task: str
    max_seq_length: int
    stride: int
    max_answer_tokens: int
    may_be_unanswerable: bool
    labels: list[str]


class _Results(TypedDict):
    """The part of results.json that `read_tuned` reads."""

    setup: SetupValues


def make_model(folder: Path, setup: Setup, options: FinetuneOptions) -> Any:
    """Return a model to fine-tune, with a random head (torch's global generator).

    Args:
        folder: folder of the pretrained model.
        setup: the task and its labels.
        options: dropout, and whether the encoder is random too.
    """
    config = read_config(folder)
    config.architectures = None
    config.problem_type = None
    config.num_labels = max(1, len(setup.labels)) if setup.task != "qa" else 2
    if setup.labels:
        config.id2label = dict(enumerate(setup.labels))
        config.label2id = {label: i for i, label in enumerate(setup.labels)}
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = options.dropout
    config.classifier_dropout = None
    head = TASKS[setup.task].head
    return head(config) if options.from_scratch else load(head, folder, config)


def describe_setup(setup: Setup) -> SetupValues:
    """Return a setup as results.json holds it."""
    return {
        "task": setup.task,
        "max_seq_length": setup.max_seq_length,
        "stride": setup.stride,
        "max_answer_tokens": setup.max_answer_tokens,
        "may_be_unanswerable": setup.may_be_unanswerable,
        "labels": list(setup.labels),
    }


def read_tuned(model: str | os.PathLike[str]) -> tuple[Any, Setup]:
    """Load a fine-tuned model, dropout off, and its setup.

    Raises:
        MissingInputError: the folder holds no finished fine-tuned model.
    """
    folder = open_model(model)
    results = folder / RESULTS
    if not results.is_file():
        raise MissingInputError(f"{model}: no {RESULTS}; expected a finished folder of wpprep finetune")
    found = read_json(results, _Results, error=MissingInputError, advice="fine-tune the model again")["setup"]
    config = read_config(folder)
    if wrong := _wrong(found, config):
        raise MissingInputError(f"{results}: {wrong}; fine-tune the model again")
    setup = Setup(
        task=found["task"],
        max_seq_length=found["max_seq_length"],
        stride=found["stride"],
        max_answer_tokens=found["max_answer_tokens"],
        may_be_unanswerable=found["may_be_unanswerable"],
        labels=tuple(found["labels"]),
        vocabulary=read_vocabulary(folder, config),
    )
    return load(TASKS[setup.task].head, folder, config, whole=True).eval(), setup


def _wrong(setup: SetupValues, config: Any) -> str:
    """Return why a setup does not fit its model; "" if it does."""
    if setup["task"] not in TASKS:
        return f"setup.task is {setup['task']!r}, expected one of {', '.join(TASKS)}"
    longest, stride = setup["max_seq_length"], setup["stride"]
    if not 8 <= longest <= config.max_position_embeddings:
        return f"setup.max_seq_length is {longest}, expected 8 to {config.max_position_embeddings}"
    if not 0 <= stride < longest:
        return f"setup.stride is {stride}, expected 0 to {longest - 1}"
    if setup["max_answer_tokens"] < 1:
        return f"setup.max_answer_tokens is {setup['max_answer_tokens']}, expected at least 1"
    if setup["labels"] and len(setup["labels"]) != config.num_labels:
        return f"setup.labels has {len(setup['labels'])} labels, the model {config.num_labels}"
    return ""


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write an object as indented JSON, atomically."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
