"""The optimizer step: decay, clipping, the schedule, precision, and its state in a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.training import CPU, shards, torch

from wpprep.config import TrainOptions
from wpprep.errors import OptionError
from wpprep.shards.folder import ShardFolder
from wpprep.training.model.model import Size, build_model
from wpprep.training.model.optimizer import Updates, learning_rate

__all__ = ["shards"]


def test_biases_and_norms_do_not_decay(shards: Path) -> None:
    """Every weight is in one group; those without decay are exactly the biases and LayerNorms."""
    model = build_model(Size(1, 32, 2), ShardFolder(shards).roles, 24, dropout=0.1)
    names = {id(weight): name for name, weight in model.named_parameters()}
    decaying, plain = Updates(model, TrainOptions(), CPU).optimizer.param_groups
    assert all("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in plain["params"])
    assert not any("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in decaying["params"])
    assert len(decaying["params"]) + len(plain["params"]) == len(names)
    assert (decaying["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)


def two_weights() -> torch.nn.Linear:
    """A layer with one weight, 1.0, and one bias, 0.0."""
    model = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.0)
    return model


def test_a_step_by_hand() -> None:
    """Gradients 30 and 40 have norm 50; the first step of AdamW is the learning rate, after the decay."""
    model = two_weights()
    options = TrainOptions(steps=10, warmup_steps=0, learning_rate=0.1, weight_decay=0.5, grad_clip=1.0)
    updates = Updates(model, options, CPU)
    updates.backward(30 * model.weight.sum() + 40 * model.bias.sum())
    assert updates.apply(0).item() == pytest.approx(50.0)
    # m / sqrt(v) is 1 after the correction of both; the weight decays by 0.1 * 0.5 first, the bias does not
    assert model.weight.item() == pytest.approx(1.0 * (1 - 0.05) - 0.1, rel=1e-4)
    assert model.bias.item() == pytest.approx(-0.1, rel=1e-4)
    assert model.weight.grad is None


def test_a_restored_optimizer_continues() -> None:
    """With the moments of another optimizer, by name, the next step equals that of the other."""
    options = TrainOptions(steps=10, warmup_steps=2, learning_rate=0.1)
    model, other = two_weights(), two_weights()
    updates, restored = Updates(model, options, CPU), Updates(other, options, CPU)
    updates.backward(3 * model.weight.sum() + model.bias.sum())
    updates.apply(0)
    tensors = {name: value.clone() for name, value in updates.tensors().items()}
    assert sorted(tensors) == sorted(
        f"adamw.{i}.{part}" for i in (0, 1) for part in ("step", "exp_avg", "exp_avg_sq")
    )
    other.load_state_dict(model.state_dict())
    restored.restore({**tensors, "model.weight": torch.zeros(1)}, updates.scaler.state_dict())
    for each, its in ((updates, model), (restored, other)):
        each.backward(its.weight.sum() - its.bias.sum())
        each.apply(1)
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_without_a_warm_up_the_rate_only_falls() -> None:
    """Of 4 steps with peak 1, the rates are 1, 3/4, 1/2 and 1/4."""
    options = TrainOptions(steps=4, warmup_steps=0, learning_rate=1.0)
    assert [learning_rate(step, options) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_fp16_needs_a_gpu() -> None:
    """On a CPU fp16 is refused, and the message names the alternatives."""
    with pytest.raises(OptionError, match="precision is fp16, which needs a GPU; expected fp32 or bf16"):
        Updates(two_weights(), TrainOptions(precision="fp16"), CPU)
