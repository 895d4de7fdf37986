"""Predictions for the masked tokens of a text, from the MLM head of a pretrained model."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import NamedTuple

import torch

from wpprep.errors import MissingInputError, OptionError
from wpprep.jobs.summary import Summary
from wpprep.storage.files import MANIFEST
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.model.loading import load_masked_lm, open_model, read_vocabulary
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
    if top_k < 1:
        raise OptionError(f"top_k is {top_k}, expected at least 1")
    path = open_model(model)
    if (path / TRAINING).exists() and not (path / MANIFEST).exists():
        raise MissingInputError(f"{model}: training is not finished; run the same command again to continue")
    bert = load_masked_lm(path)
    vocabulary = read_vocabulary(path, bert.config)
    ids, longest = _encode(vocabulary, text), bert.config.max_position_embeddings
    if len(ids) > longest:
        raise OptionError(f"the text has {len(ids)} tokens, the model takes at most {longest}")
    mask, pieces = vocabulary.roles.mask, vocabulary.pieces
    blanks = [position for position, id_ in enumerate(ids) if id_ == mask]
    if not blanks:
        raise OptionError(f"the text has no mask token; write {pieces[mask]} where a word is missing")
    with torch.inference_mode():
        chances = bert(torch.tensor([ids])).logits[0, blanks].float().softmax(-1)[:, : len(pieces)]
    top = chances.topk(min(top_k, chances.shape[-1]))
    guesses = [
        [Guess(pieces[i], chance) for i, chance in zip(ids, row, strict=True)]
        for ids, row in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
    return FillMaskSummary(command="fill-mask", seconds=time.perf_counter() - started, blanks=guesses)


def _encode(vocabulary: Vocabulary, text: str) -> list[int]:
    """Return the ids of a text with [CLS] and [SEP], in which the names of special tokens are these tokens."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise OptionError(f"the text is not Unicode at character {error.start}") from error
    roles, tokenizer = vocabulary.roles, vocabulary.tokenizer
    name = vocabulary.pieces[roles.mask]
    if roles.mask not in tokenizer.get_added_tokens_decoder():
        tokenizer.add_special_tokens([name])
    tokenizer.encode_special_tokens = False
    try:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    finally:
        tokenizer.encode_special_tokens = True
    return [roles.cls, *ids, roles.sep]
