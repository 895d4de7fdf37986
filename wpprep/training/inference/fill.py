"""Predictions for the masked tokens of a text, from the MLM head of a pretrained model."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import AutoTokenizer

from wpprep.errors import MissingInputError, OptionError
from wpprep.jobs.summary import Summary
from wpprep.storage.files import MANIFEST
from wpprep.training.model.loading import load_masked_lm, open_model
from wpprep.training.pretraining.run_folder import TRAINING


class Guess(NamedTuple):
    """A piece predicted for a masked token, and its probability, 0 to 1."""

    piece: str
    probability: float


@dataclass(frozen=True, kw_only=True, repr=False)
class FillMaskSummary(Summary):
    """The result of `fill_mask`; also a sequence of ``blanks``.

    Attributes:
        blanks: for each mask token, the most probable pieces, the most probable first.
    """

    blanks: list[list[Guess]]

    def __getitem__(self, index: int) -> list[Guess]:
        """Return the pieces of a mask token, counted from 0."""
        return self.blanks[index]

    def __len__(self) -> int:
        """Return the number of mask tokens."""
        return len(self.blanks)

    @property
    def headline(self) -> str:
        """The most probable piece of each mask token."""
        return ", ".join(guesses[0].piece for guesses in self.blanks)


def fill_mask(model: str | os.PathLike[str], text: str, top_k: int = 5) -> FillMaskSummary:
    """Return the ``top_k`` most probable pieces for each ``[MASK]`` in a text, the most probable first.

        fill_mask("model", "the [MASK] of the sea")[0][0]   # Guess(piece='bottom', probability=0.12)

    Args:
        model: a pretrained model's folder.
        text: a text with at least one mask token.
        top_k: number of pieces for each.

    Raises:
        MissingInputError: the folder holds no model, an unfinished one, or one without an MLM head.
        OptionError: the text has no mask token, or is too long for the model.
    """
    started = time.perf_counter()
    path = open_model(model)
    if (path / TRAINING).exists() and not (path / MANIFEST).exists():
        raise MissingInputError(f"{model}: training is not finished; run the same command again to continue")
    bert = load_masked_lm(path)
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    inputs = tokenizer(text, return_tensors="pt")
    length, longest = inputs["input_ids"].shape[1], bert.config.max_position_embeddings
    if length > longest:
        raise OptionError(f"the text has {length} tokens, the model takes at most {longest}")
    blanks = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()
    if not len(blanks):
        raise OptionError(f"the text has no mask token; write {tokenizer.mask_token} where a word is missing")
    with torch.inference_mode():
        chances = bert(**inputs).logits[0, blanks].float().softmax(-1)
    top = chances.topk(min(top_k, chances.shape[-1]))
    guesses = [
        [Guess(piece, chance) for piece, chance in zip(tokenizer.convert_ids_to_tokens(ids), row, strict=True)]
        for ids, row in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
    return FillMaskSummary(command="fill-mask", seconds=time.perf_counter() - started, blanks=guesses)
