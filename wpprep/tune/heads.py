"""Models with a head for a task: made from any BERT's folder, written, and read back.

A fine-tuned folder is a model of transformers with its tokenizer and the names of its labels; beside it,
results.json says how it was made and how well it does. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import BertConfig
from transformers.utils import logging

from wpprep.config import FinetuneOptions
from wpprep.errors import MissingInputError, OptionError
from wpprep.files import write_text
from wpprep.train.model import no_progress_bar
from wpprep.tune.setup import Setup
from wpprep.tune.tasks import TASKS
from wpprep.vocab.vocabulary import Vocabulary

RESULTS = "results.json"
_STORED = ("task", "max_seq_length", "stride", "max_answer_tokens", "may_be_unanswerable")


def read_config(folder: Path) -> BertConfig:
    """The shape of the BERT in a folder.

    Raises:
        MissingInputError: there is no model.
        OptionError: it is no BERT.
    """
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{folder}: no config.json; expected the folder of a BERT checkpoint"
        ) from error
    except (OSError, ValueError) as error:
        raise MissingInputError(f"{folder / 'config.json'}: cannot be read: {error}") from error
    kind = found.get("model_type", "bert") if isinstance(found, dict) else None
    if kind != "bert":
        raise OptionError(f"{folder}: a model of type {kind}, expected bert")
    return BertConfig(**found)


def read_vocabulary(folder: Path, config: BertConfig) -> Vocabulary:
    """The vocabulary in a model's folder.

    Raises:
        OptionError: it has more entries than the model.
    """
    vocabulary = Vocabulary.from_folder(folder)
    if len(vocabulary.pieces) > config.vocab_size:
        raise OptionError(
            f"{folder}: the vocabulary has {len(vocabulary.pieces)} entries, the model {config.vocab_size}; "
            f"put the model's own vocabulary there"
        )
    return vocabulary


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


def load(head: Any, folder: Path, config: BertConfig, *, whole: bool = False) -> Any:
    """Weights of a folder in a class of transformers: the encoder's must be there, if ``whole`` the head's too.

    Raises:
        MissingInputError: they are not in the folder.
    """
    safe = any(folder.glob("model*.safetensors"))
    if not safe and not any(folder.glob("pytorch_model*.bin")):
        raise MissingInputError(f"{folder}: no model.safetensors; expected the folder of a BERT checkpoint")
    with _quiet():
        try:
            model, info = head.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=safe,
                weights_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            first = str(error).strip().splitlines()[0]
            raise MissingInputError(f"{folder}: the weights cannot be read: {first}") from error
    missing = [
        name for name in info["missing_keys"] if whole or name.startswith(("bert.encoder", "bert.embed"))
    ]
    if missing:
        raise MissingInputError(f"{folder}: lacks {len(missing)} weights, {min(missing)} first")
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from telling that the head is new, which is the point."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with no_progress_bar():
            yield
    finally:
        logging.set_verbosity(level)


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
