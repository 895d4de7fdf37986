"""Losses and gradients that explode or are not finite stop a run, with the rows of the step."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.training import QUICK, shards

from wpprep.config import TrainOptions
from wpprep.errors import TrainingError
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.training.model import model as model_room
from wpprep.training.model.model import score
from wpprep.training.model.optimizer import Updates
from wpprep.training.pretraining.checkpoint import load_state
from wpprep.training.pretraining.pretrain import train

__all__ = ["shards"]


@pytest.mark.parametrize(("factor", "said"), [("nan", "or its gradient is not finite"), ("1e3", "exploded to")])
def test_a_bad_loss_stops_with_its_rows(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: str, said: str
) -> None:
    """The message has the step and its rows by shard; the last good checkpoint is kept."""
    asked: list[Any] = []

    def poisoned(model: Any, inputs: Any, *, pairs: bool) -> Any:
        scores = score(model, inputs, pairs=pairs)
        asked.append(model.training)
        return scores._replace(mlm_loss=scores.mlm_loss * (float(factor) if sum(asked) == 3 else 1.0))

    monkeypatch.setattr(model_room, "score", poisoned)
    folder = ShardFolder(shards)
    held = folder.held_out(folder.hold_out(6, TrainOptions().seed), TrainOptions().seed)
    rows = sorted(Loader(folder, batch_size=8, exclude=held).rows_of(2)[0].tolist())
    names = [f"shard-0000{int(row >= 60)}-of-00002.arrow row {row - 60 * (row >= 60)}" for row in rows]
    with pytest.raises(TrainingError, match=f"step 3: the loss {said}.*held {', '.join(names)} of"):
        train(shards, tmp_path / "out", **QUICK, steps=5, save_steps=1)
    state = load_state(tmp_path / "out")
    assert state is not None
    assert state.values["step"] == 2
    stopped = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[-1])
    assert (stopped["kind"], stopped["step"]) == ("stopped", 3)
    assert sum(map(len, stopped["rows"].values())) == 8


def test_a_poisoned_learning_rate_ends_the_command(shards: Path, tmp_path: Path) -> None:
    """A rate a thousand times too high ends `wpprep train` with exit code 1 and one line."""
    command = [
        sys.executable,
        "-c",
        "from wpprep.cli import main; main()",
        "train",
        str(shards),
        "--out",
        str(tmp_path / "out"),
        "-q",
    ]
    options = "--size tiny --batch-size 16 --steps 100 --eval-rows 0 --save-steps 1 --learning-rate 10"
    ended = subprocess.run([*command, *options.split()], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert "the loss exploded to" in line
    assert "and 8 more, see " in line
    assert "lower the learning rate (now 10.0)" in line
    state = load_state(tmp_path / "out")
    assert state is not None
    assert all(tensor.isfinite().all() for name, tensor in state.tensors.items() if name.startswith("model."))


def test_a_gradient_that_is_not_finite_stops(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the loss is finite and its gradient is not, the message has the step."""
    apply = Updates.apply

    def ruined(self: Updates, step: int) -> Any:
        norm = apply(self, step)
        return norm * float("inf") if step == 1 else norm

    monkeypatch.setattr(Updates, "apply", ruined)
    with pytest.raises(TrainingError, match="step 2: the loss or its gradient is not finite"):
        train(shards, tmp_path / "out", **QUICK, steps=4)
