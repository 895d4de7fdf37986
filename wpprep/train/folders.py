"""Models from folders: any BERT's, read from its files alone. Nothing is fetched from anywhere."""

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

from wpprep.errors import MissingInputError, OptionError
from wpprep.train.model import no_progress_bar
from wpprep.vocab.vocabulary import Vocabulary


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


def load(head: Any, folder: Path, config: BertConfig, *, whole: bool = False, **settings: Any) -> Any:
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
                **settings,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            first = str(error).strip().splitlines()[0]
            raise MissingInputError(f"{folder}: the weights cannot be read: {first}") from error
    parts = ("encoder.", "embeddings.")
    missing = [name for name in info["missing_keys"] if whole or name.removeprefix("bert.").startswith(parts)]
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
