"""Loading BERT checkpoints from local folders, those of wpprep and those of other libraries.

Weights are read from ``model*.safetensors`` or, with ``weights_only=True``, from ``pytorch_model*.bin``.
Missing weights of the encoder are an error; missing weights of a head are initialised at random.

What this module does not do: download, or run code that comes with a checkpoint.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining
from transformers.utils import logging

from wpprep.errors import MissingInputError, OptionError
from wpprep.storage.json_files import mismatch, read_json
from wpprep.storage.place import Place
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.model.model import no_progress_bar
from wpprep.training.model.ranks import limit_threads

MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "training.json",
    "results.json",
)


class ConfigValues(TypedDict):
    """The sizes in config.json, checked before a model is built."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int


_LARGEST = {
    "vocab_size": 1 << 24,
    "hidden_size": 1 << 16,
    "num_hidden_layers": 1 << 10,
    "num_attention_heads": 1 << 10,
    "intermediate_size": 1 << 18,
    "max_position_embeddings": 1 << 20,
    "type_vocab_size": 1 << 10,
}
_DEFAULTS = {name: getattr(BertConfig(), name) for name in _LARGEST}  # of keys that config.json omits
_AGAIN = "copy the model again"


def open_model(model: str | os.PathLike[str]) -> Path:
    """Return the local folder of a model, ours or one of transformers; of a URL, a copy in the cache.

    Raises:
        MissingInputError: there is no model.
    """
    return Place(model).folder(*MODEL_FILES)


def read_config(folder: Path) -> BertConfig:
    """Return the configuration of the BERT in a folder.

    Raises:
        MissingInputError: config.json is missing or cannot be read.
        OptionError: the model is not a BERT.
    """
    path = folder / "config.json"
    if not path.exists():
        raise MissingInputError(f"{folder}: no config.json; expected the folder of a BERT checkpoint")
    found = read_json(path, dict[str, Any], error=MissingInputError, advice=_AGAIN)
    kind = found.get("model_type", "bert")
    if kind != "bert":
        raise OptionError(f"{folder}: a model of type {kind}, expected bert")
    if wrong := mismatch({**_DEFAULTS, **found}, ConfigValues) or _wrong_size({**_DEFAULTS, **found}):
        raise MissingInputError(f"{path}: {wrong}; {_AGAIN}")
    try:
        return BertConfig(**found)
    except Exception as error:  # transformers checks with several classes of exceptions
        raise MissingInputError(f"{path}: not the configuration of a BERT: {_first_line(error)}") from error


def _wrong_size(values: Mapping[str, Any]) -> str:
    """Return which size of a configuration is impossible; "" if none is."""
    for name, most in _LARGEST.items():
        if not 1 <= values[name] <= most:
            return f"{name} is {values[name]}, expected 1 to {most:,}"
    if values["hidden_size"] % values["num_attention_heads"]:
        return f"hidden_size is {values['hidden_size']}, expected a multiple of {values['num_attention_heads']}"
    return ""


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def read_vocabulary(folder: Path, config: BertConfig) -> Vocabulary:
    """Return the vocabulary in a model's folder.

    Raises:
        OptionError: the vocabulary has more entries than the model.
    """
    vocabulary = Vocabulary.from_folder(folder)
    if len(vocabulary.pieces) > config.vocab_size:
        raise OptionError(
            f"{folder}: the vocabulary has {len(vocabulary.pieces)} entries, expected at most the "
            f"{config.vocab_size} of the model; put the model's own vocabulary there"
        )
    return vocabulary


def continue_model(folder: str, vocabulary: Vocabulary, max_seq_length: int, dropout: float) -> Any:
    """Load a BertForPreTraining to continue its training; missing heads are initialised at random.

    Args:
        folder: any BERT's folder with its vocabulary.
        vocabulary: the vocabulary of the shards.
        max_seq_length: the maximum number of tokens in a row of the shards.
        dropout: replaces the dropout of the checkpoint, in hidden layers and in attention.

    Raises:
        MissingInputError: there is no model, or weights of its encoder are missing.
        OptionError: the model is not a BERT, has another vocabulary, or has too few positions.
    """
    start = open_model(folder)
    config = read_config(start)
    theirs = read_vocabulary(start, config)
    if theirs.pieces != vocabulary.pieces:
        raise OptionError(
            f"init_from {folder}: its vocabulary is not that of the shards; make shards with --vocab {folder}"
        )
    longest = config.max_position_embeddings
    if longest < max_seq_length:
        raise OptionError(
            f"init_from {folder}: the model takes at most {longest} tokens, the shards have {max_seq_length}"
        )
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    return load(BertForPreTraining, start, config)


def load_masked_lm(folder: Path) -> Any:
    """Load the BertForMaskedLM of a pretrained model's folder, dropout off.

    Raises:
        MissingInputError: the folder holds no model, or one without an MLM head.
        OptionError: the model is not a BERT.
    """
    model, missing = _read(BertForMaskedLM, folder, read_config(folder))
    if missing:
        raise MissingInputError(f"{folder}: the model has no MLM head; give a pretrained model")
    return model.eval()


def load(head: Any, folder: Path, config: BertConfig, *, whole: bool = False, **settings: Any) -> Any:
    """Load a model of a class of transformers, on the CPU as ``float32``.

    Args:
        head: the class, such as BertForSequenceClassification.
        folder: the folder of a BERT checkpoint.
        config: the configuration of the model.
        whole: whether the weights of the head must be in the folder as well as those of the encoder.
        **settings: further arguments of ``from_pretrained``.

    Raises:
        MissingInputError: weights are missing or cannot be read.
    """
    model, missing = _read(head, folder, config, **settings)
    if whole and missing:
        raise _lacks(folder, missing)
    return model


def _read(head: Any, folder: Path, config: BertConfig, **settings: Any) -> tuple[Any, list[str]]:
    """Return a model with the weights of a folder, and the names of the head's weights that are missing."""
    limit_threads()
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
        except MemoryError:
            raise
        except Exception as error:  # of transformers, safetensors or torch, for a damaged or a foreign file
            raise MissingInputError(f"{folder}: the weights cannot be read: {_first_line(error)}") from error
    missing: list[str] = sorted(info["missing_keys"])
    of_encoder = [
        name for name in missing if name.removeprefix("bert.").startswith(("encoder.", "embeddings."))
    ]
    if of_encoder:
        raise _lacks(folder, of_encoder)
    return model, missing


def _lacks(folder: Path, missing: list[str]) -> MissingInputError:
    return MissingInputError(f"{folder}: lacks {len(missing)} weights, the first is {missing[0]}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' warning that the head is new, which is intended here."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with no_progress_bar():
            yield
    finally:
        logging.set_verbosity(level)
