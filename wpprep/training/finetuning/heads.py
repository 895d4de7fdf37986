"""Models with a head for a task: made from any BERT's folder, written, and read back.

A fine-tuned folder is a model of transformers with its tokenizer and the names of its labels; beside it,
results.json says how it was made and how well it does. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wpprep.config import FinetuneOptions
from wpprep.errors import MissingInputError
from wpprep.storage.files import write_text
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS
from wpprep.training.model.loading import load, read_config, read_vocabulary

RESULTS = "results.json"
_STORED = ("task", "max_seq_length", "stride", "max_answer_tokens", "may_be_unanswerable")


def make_model(folder: Path, setup: Setup, options: FinetuneOptions) -> Any:
    """A model to fine-tune: the encoder of a folder, or a random one, and a random head (torch's generator)."""
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


def describe_setup(setup: Setup) -> dict[str, Any]:
    """A setup as results.json holds it."""
    return {name: getattr(setup, name) for name in _STORED} | {"labels": list(setup.labels)}


def read_tuned(folder: Path) -> tuple[Any, Setup]:
    """A fine-tuned model, dropout off, and its setup.

    Raises:
        MissingInputError: there is none, or it is not finished.
    """
    results = folder / RESULTS
    if not results.is_file():
        raise MissingInputError(f"{folder}: no {RESULTS}; expected the folder of wpprep finetune, finished")
    found = json.loads(results.read_bytes())["setup"]
    config = read_config(folder)
    setup = Setup(
        **{name: found[name] for name in _STORED},
        labels=tuple(found["labels"]),
        vocabulary=read_vocabulary(folder, config),
    )
    return load(TASKS[setup.task].head, folder, config, whole=True).eval(), setup


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write an object as JSON that people read, whole or not at all."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
