"""The model: transformers' BertForPreTraining, its MLM head computed at the predicted positions only.

A head over every position multiplies ``[batch * length, hidden]`` by the whole vocabulary, and 85 % of the
result is unused: at size tiny this is most of the work. Here the hidden states at the predicted positions
are gathered first, so the head and its softmax see ``[predictions, hidden]``. The loss is the same. The
original BERT gathers in the same way (``gather_indexes`` in google-research/bert, run_pretraining.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own documentation calls it F)
from transformers import BertConfig, BertForPreTraining
from transformers.utils import logging

from wpprep.config import TrainOptions
from wpprep.errors import OptionError
from wpprep.records import TokenRoles
from wpprep.shards.loader import Batch


class Size(NamedTuple):
    """Numbers of layers, hidden units and heads; the feed-forward layer is four times the hidden size."""

    layers: int
    hidden: int
    heads: int


SIZES = {
    "tiny": Size(2, 128, 2),
    "mini": Size(4, 256, 4),
    "small": Size(4, 512, 8),
    "medium": Size(8, 512, 8),
    "base": Size(12, 768, 12),
    "large": Size(24, 1024, 16),
}
_ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new"}  # transformers' names


class Inputs(NamedTuple):
    """The arrays of a `wpprep.shards.loader.Batch` as tensors on the model's device, shapes and dtypes kept."""

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    mlm_positions: torch.Tensor
    mlm_labels: torch.Tensor
    next_sentence_label: torch.Tensor


class Scores(NamedTuple):
    """Losses and correct predictions of one batch, as sums, so that batches and processes can be added.

    Attributes:
        mlm_loss, nsp_loss: sums of cross entropies in nats, ``float32[]``; ``nsp_loss`` is 0 without B.
        mlm_correct, nsp_correct: number of predictions whose label scored highest, ``int64[]``.
        predictions, rows: number of masked tokens and of rows in the batch.
    """

    mlm_loss: torch.Tensor
    nsp_loss: torch.Tensor
    mlm_correct: torch.Tensor
    nsp_correct: torch.Tensor
    predictions: int
    rows: int

    def loss(self) -> torch.Tensor:
        """Return BERT's loss: the mean over the predictions plus the mean over the pairs, ``float32[]``."""
        return self.share(self.predictions, self.rows)

    def share(self, predictions: int, rows: int) -> torch.Tensor:
        """Return this batch's part of the loss of a step.

        Args:
            predictions: number of predictions in the step, over all batches and processes.
            rows: number of rows in the step, likewise.
        """
        return self.mlm_loss / max(1, predictions) + self.nsp_loss / rows


def size_of(options: TrainOptions) -> Size:
    """Return the size of the model: ``layers``, ``hidden`` and ``heads`` override the named ``size``.

    >>> size_of(TrainOptions(size="mini", layers=6))
    Size(layers=6, hidden=256, heads=4)
    >>> size_of(TrainOptions(size="tiny", hidden=384))
    Size(layers=2, hidden=384, heads=6)

    Raises:
        OptionError: the hidden size is not a multiple of the number of heads.
    """
    named = SIZES[options.size]
    hidden = options.hidden or named.hidden
    heads = options.heads or (named.heads if hidden == named.hidden else max(1, hidden // 64))
    if hidden % heads:
        raise OptionError(f"hidden is {hidden}, expected a multiple of the {heads} heads; set heads or hidden")
    return Size(options.layers or named.layers, hidden, heads)


def build_model(
    size: Size, roles: TokenRoles, max_seq_length: int, dropout: float, activation: str = "gelu"
) -> Any:
    """Return a BertForPreTraining with random weights, drawn from torch's global generator.

    The vocabulary is not rounded up: ids of the model are ids of the tokenizer, one to one.

    Args:
        size: layers, hidden size and heads.
        roles: the vocabulary's size and the id of its padding token.
        max_seq_length: number of positions.
        dropout: dropout probability, in hidden layers and in attention.
        activation: ``gelu`` (exact) or ``gelu_tanh`` (BERT's approximation).
    """
    config = BertConfig(
        vocab_size=roles.vocab_size,
        num_hidden_layers=size.layers,
        hidden_size=size.hidden,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.hidden,
        max_position_embeddings=max_seq_length,
        hidden_act=_ACTIVATIONS[activation],
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=roles.pad,
    )
    return BertForPreTraining(config)


@contextlib.contextmanager
def no_progress_bar() -> Iterator[None]:
    """Hide the progress bars of transformers."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


class Scorer(torch.nn.Module):
    """A model and its losses as one module, so that both are compiled and distributed together."""

    def __init__(self, model: Any, *, pairs: bool) -> None:
        """Wrap a BertForPreTraining; ``pairs`` as in `score`."""
        super().__init__()
        self.model, self.pairs = model, pairs

    def forward(self, inputs: Inputs) -> Scores:
        """Return the scores of a batch; see `score`."""
        return score(self.model, inputs, pairs=self.pairs)


def to_inputs(batch: Batch, device: torch.device) -> Inputs:
    """Return a batch as tensors on a device; on the CPU they share the batch's memory."""
    mask = batch.attention_mask
    return Inputs(
        _tensor(batch.input_ids, device),
        _tensor(batch.token_type_ids, device),
        None if mask is None else _tensor(mask, device),
        _tensor(batch.mlm_positions, device),
        _tensor(batch.mlm_labels, device),
        _tensor(batch.next_sentence_label, device),
    )


def _tensor(array: Any, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def score(model: Any, inputs: Inputs, *, pairs: bool) -> Scores:
    """Run the model on a batch and return its losses.

    Args:
        model: a BertForPreTraining.
        inputs: the batch, on the device of the model.
        pairs: whether to score the next sentence; without it the pooler and its head are not run.
    """
    outputs = model.bert(
        inputs.input_ids, attention_mask=inputs.attention_mask, token_type_ids=inputs.token_type_ids
    )
    hidden = outputs.last_hidden_state.flatten(0, 1).index_select(0, inputs.mlm_positions)
    logits = model.cls.predictions(hidden).float()
    zero = torch.zeros((), device=logits.device)
    nsp_loss, nsp_correct = zero, zero.long()
    if pairs:
        nsp_logits = model.cls.seq_relationship(outputs.pooler_output).float()
        nsp_loss = F.cross_entropy(nsp_logits, inputs.next_sentence_label, reduction="sum")
        nsp_correct = _count_correct(nsp_logits, inputs.next_sentence_label)
    return Scores(
        mlm_loss=F.cross_entropy(logits, inputs.mlm_labels, reduction="sum"),
        nsp_loss=nsp_loss,
        mlm_correct=_count_correct(logits, inputs.mlm_labels),
        nsp_correct=nsp_correct,
        predictions=len(inputs.mlm_labels),
        rows=len(inputs.next_sentence_label),
    )


def _count_correct(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (logits.detach().argmax(-1) == labels).sum()
