"""The model: losses of the gathered head, attention masks, sizes and numbers of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.training import CPU, shards, torch

from wpprep.config import TrainOptions
from wpprep.errors import OptionError
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.training.model.model import SIZES, Size, build_model, score, size_of, to_inputs

__all__ = ["shards"]


@pytest.mark.parametrize("length", [24, None])
def test_the_gathered_head_has_the_loss_of_the_full_head(shards: Path, length: int | None) -> None:
    """Loss and gradients equal those of transformers' own forward pass over every position, padded or not."""
    folder = ShardFolder(shards)
    torch.manual_seed(1)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0)
    lengths = np.concatenate([np.diff(shard.offsets) for shard in folder.shards])
    rows = np.flatnonzero(lengths == 24)[:8] if length else np.arange(8)
    batch = Loader(folder, batch_size=8).assemble(rows)
    assert (batch.attention_mask is None) == bool(length)
    inputs = to_inputs(batch, CPU)
    mine = score(model, inputs, pairs=True).loss()
    torch.autograd.backward(mine)
    gradients = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    labels = torch.full((inputs.input_ids.numel(),), -100)
    labels[inputs.mlm_positions] = inputs.mlm_labels
    full = model(
        inputs.input_ids,
        attention_mask=inputs.attention_mask,
        token_type_ids=inputs.token_type_ids,
        labels=labels.view_as(inputs.input_ids),
        next_sentence_label=inputs.next_sentence_label,
    ).loss
    full.backward()
    assert mine.item() == pytest.approx(full.item(), rel=1e-6)
    for gradient, weight in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, weight.grad, rtol=1e-3, atol=1e-6)


def test_attention_gets_a_mask_only_where_something_is_padded(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of one length reach PyTorch's attention without a mask, so that its fastest kernels can be used."""
    masks: list[Any] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def watched(*tensors: Any, **options: Any) -> Any:
        masks.append(options["attn_mask"])
        return attend(*tensors, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    folder = ShardFolder(shards)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0)
    lengths = folder.lengths(np.arange(140))
    for rows in (np.flatnonzero(lengths == 24)[:4], np.array([np.argmin(lengths), np.argmax(lengths)])):
        score(model, to_inputs(Loader(folder, batch_size=4).assemble(rows), CPU), pairs=True)
    assert [mask is None for mask in masks] == [
        True,
        True,
        False,
        False,
    ]  # two layers, without and with padding


def test_padding_does_not_change_what_is_learned(shards: Path) -> None:
    """A batch padded further has the same losses."""
    folder = ShardFolder(shards)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0).eval()
    lengths = np.concatenate([np.diff(shard.offsets) for shard in folder.shards])
    rows = np.flatnonzero(lengths <= 16)[:8]
    losses = [
        score(model, to_inputs(Loader(folder, batch_size=8, pad_to=pad).assemble(rows), CPU), pairs=True)
        .loss()
        .item()
        for pad in ("longest", "full")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def weights_of(size: Size, vocab_size: int, longest: int) -> int:
    """Return the number of weights of a BertForPreTraining by the paper's layout; a norm has 2 per unit."""
    h = size.hidden
    embeddings = (vocab_size + longest + 2) * h + 2 * h
    layer = 4 * (h * h + h) + 2 * h + (4 * h * h + 4 * h) + (4 * h * h + h) + 2 * h
    heads = (h * h + h) + (h * h + h + 2 * h + vocab_size) + (2 * h + 2)  # pooler; MLM, its matrix shared; NSP
    return embeddings + size.layers * layer + heads


@pytest.mark.parametrize("hidden", [128, 256, 512, 768])
@pytest.mark.parametrize("layers", [2, 4, 6, 8, 10, 12])
def test_the_24_miniatures_build(shards: Path, layers: int, hidden: int) -> None:
    """Each model of the grid of Turc et al. 2019 has a head per 64 units and the number of weights by hand."""
    options = TrainOptions(layers=layers, hidden=hidden, activation="gelu_tanh")
    size = size_of(options)
    assert size == Size(layers, hidden, hidden // 64)
    roles = ShardFolder(shards).roles
    with torch.device("meta"):
        model = build_model(size, roles, 24, 0.1, "gelu_tanh")
    assert sum(weight.numel() for weight in model.parameters()) == weights_of(size, roles.vocab_size, 24)
    assert model.config.hidden_act == "gelu_new"


@pytest.mark.parametrize(
    ("name", "millions"), [("tiny", 4.4), ("mini", 11.3), ("small", 29.1), ("medium", 41.7), ("base", 110.1)]
)
def test_named_sizes_are_those_of_the_paper(shards: Path, name: str, millions: float) -> None:
    """With BERT's 30,522 entries and 512 positions they have the sizes that google-research/bert lists."""
    roles = ShardFolder(shards).roles._replace(vocab_size=30_522)
    with torch.device("meta"):
        model = build_model(SIZES[name], roles, 512, 0.1)
    weights = sum(weight.numel() for weight in model.parameters())
    assert weights == weights_of(SIZES[name], 30_522, 512)
    assert round(weights / 1e6, 1) == millions
    assert size_of(TrainOptions(size=name)) == SIZES[name]


def test_heads_divide_the_hidden_size() -> None:
    """A number of heads that does not divide the hidden size is an error."""
    with pytest.raises(OptionError, match="multiple of the 3 heads"):
        size_of(TrainOptions(hidden=128, heads=3))
