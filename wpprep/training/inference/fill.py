"""Fill in the blanks of a text with a trained model: what the model has learned, for people to look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoTokenizer

from wpprep.errors import MissingInputError, OptionError
from wpprep.storage.cache import fetch_folder
from wpprep.storage.files import MANIFEST
from wpprep.training.model.loading import load_masked_lm
from wpprep.training.pretraining.checkpoint import TRAINING


class Guess(NamedTuple):
    """A piece that may stand in a blank, and how likely the model finds it."""

    piece: str
    probability: float


def fill_mask(folder: str | os.PathLike[str], text: str, top_k: int = 5) -> list[list[Guess]]:
    """The ``top_k`` likeliest pieces for each ``[MASK]`` in a text, likeliest first.

        fill_mask("model", "the [MASK] of the sea")[0][0]   # Guess(piece='bottom', probability=0.12)

    Raises:
        MissingInputError: the folder holds no model, one that is not finished, or one without an MLM head.
        OptionError: the text has no blank, or is longer than the model takes.
    """
    path = Path(fetch_folder(folder))
    if (path / TRAINING).exists() and not (path / MANIFEST).exists():
        raise MissingInputError(f"{folder}: training is not finished; run the same command again to go on")
    model = load_masked_lm(path)
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    inputs = tokenizer(text, return_tensors="pt")
    length, longest = inputs["input_ids"].shape[1], model.config.max_position_embeddings
    if length > longest:
        raise OptionError(f"the text has {length} tokens, the model takes at most {longest}")
    blanks = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()
    if not len(blanks):
        raise OptionError(f"the text has no blank; write {tokenizer.mask_token} where a word is missing")
    with torch.inference_mode():
        chances = model(**inputs).logits[0, blanks].float().softmax(-1)
    top = chances.topk(min(top_k, chances.shape[-1]))
    return [
        [Guess(piece, chance) for piece, chance in zip(tokenizer.convert_ids_to_tokens(ids), row, strict=True)]
        for ids, row in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
