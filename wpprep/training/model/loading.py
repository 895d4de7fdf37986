"""Models from folders: any BERT's, read from its files alone. Nothing is fetched from anywhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining
from transformers.utils import logging

from wpprep.errors import MissingInputError, OptionError
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.model.model import no_progress_bar


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


def continue_model(folder: str, vocabulary: Vocabulary, max_seq_length: int, dropout: float) -> Any:
    """The BertForPreTraining of a folder, to be trained on; heads it lacks are drawn anew.

    Raises:
        MissingInputError: there is no model, or a part of its encoder is not there.
        OptionError: it is no BERT, its vocabulary is another, or it takes no rows as long as these.
    """
    config = read_config(Path(folder))
    theirs = read_vocabulary(Path(folder), config)
    if theirs.pieces != vocabulary.pieces:
        raise OptionError(
            f"init_from {folder}: its vocabulary is not that of the shards; make shards with --vocab {folder}"
        )
    longest = config.max_position_embeddings
    if longest < max_seq_length:
        raise OptionError(
            f"init_from {folder}: takes {longest} tokens at most, the shards have {max_seq_length}"
        )
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    return load(BertForPreTraining, Path(folder), config)


def load_masked_lm(folder: Path) -> Any:
    """The BertForMaskedLM of a pretrained model's folder, dropout off.

    Raises:
        MissingInputError: the folder holds no model, or one without an MLM head.
        OptionError: it is no BERT.
    """
    model, missing = _read(BertForMaskedLM, folder, read_config(folder))
    if missing:
        raise MissingInputError(f"{folder}: a model without the head that fills blanks; give a pretrained one")
    return model.eval()


def load(head: Any, folder: Path, config: BertConfig, *, whole: bool = False, **settings: Any) -> Any:
    """Weights of a folder in a class of transformers: the encoder's must be there, if ``whole`` the head's too.

    Raises:
        MissingInputError: they are not in the folder.
    """
    model, missing = _read(head, folder, config, **settings)
    if whole and missing:
        raise _lacks(folder, missing)
    return model


def _read(head: Any, folder: Path, config: BertConfig, **settings: Any) -> tuple[Any, list[str]]:
    """The encoder's weights in a class of transformers, and the names of its head's that are not there."""
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
    missing: list[str] = sorted(info["missing_keys"])
    of_encoder = [
        name for name in missing if name.removeprefix("bert.").startswith(("encoder.", "embeddings."))
    ]
    if of_encoder:
        raise _lacks(folder, of_encoder)
    return model, missing


def _lacks(folder: Path, missing: list[str]) -> MissingInputError:
    return MissingInputError(f"{folder}: lacks {len(missing)} weights, {missing[0]} first")


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
