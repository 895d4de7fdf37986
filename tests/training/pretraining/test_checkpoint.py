"""Checkpoints and output folders: folders in use, best weights, damage."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from support.training import QUICK, interrupted, shards, torch

from wpprep.errors import OutputError, TrainingError
from wpprep.training.pretraining.checkpoint import (
    State,
    StateValues,
    load_best,
    load_state,
    save_best,
    save_state,
)
from wpprep.training.pretraining.pretrain import train
from wpprep.training.pretraining.progress import Window

__all__ = ["shards"]


def values_of(step: int, best: int | None) -> StateValues:
    """The values of a state without evaluations."""
    window = Window().values()
    return {"step": step, "best": best, "world": 1, "evaluations": [], "window": window, "scaler": {}}


def test_an_output_folder_in_use_is_refused(shards: Path, tmp_path: Path) -> None:
    """Another run, finished or not, is replaced with ``overwrite`` only, other files never."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="something other than a training run"):
            train(shards, out, **QUICK, steps=2, overwrite=overwrite)
    (out / "thesis.txt").unlink()
    interrupted(shards, out, signal.SIGINT, 2, **QUICK, steps=4)
    with pytest.raises(OutputError, match="steps was 4, now 6"):
        train(shards, out, **QUICK, steps=6)
    train(shards, out, **QUICK, steps=4)
    with pytest.raises(OutputError, match="finished model of another run .steps was 4, now 6"):
        train(shards, out, **QUICK, steps=6)
    assert train(shards, out, **QUICK, steps=2, overwrite=True).steps == 2


def test_best_weights_of_steps_that_were_lost_are_not_taken(tmp_path: Path) -> None:
    """After a checkpoint at step 1, better weights at step 2 and a kill, those of step 1 are the best again."""

    def weights(value: float) -> dict[str, Any]:
        return {"weight": torch.full((2,), value)}

    save_best(tmp_path, 1, weights(1.0))
    save_state(tmp_path, 1, State({}, values_of(1, 1)), keep=1)
    save_best(tmp_path, 2, weights(2.0))
    state = load_state(tmp_path)
    assert state is not None
    assert state.values["best"] == 1
    assert load_best(tmp_path, 1)["weight"].tolist() == [1.0, 1.0]
    save_best(tmp_path, 3, weights(3.0))
    save_state(tmp_path, 3, State({}, values_of(3, 3)), keep=1)
    assert [path.name for path in tmp_path.rglob("best-*")] == ["best-00000003.safetensors"]


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    """With keep 2 the third checkpoint removes the first; the newest is loaded, tensors and values."""
    for step in (1, 2, 10):
        save_state(
            tmp_path, step, State({"weight": torch.full((2,), float(step))}, values_of(step, None)), keep=2
        )
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000002",
        "step-00000010",
    ]
    state = load_state(tmp_path)
    assert state is not None
    assert state.values == values_of(10, None)
    assert state.tensors["weight"].tolist() == [10.0, 10.0]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    """Unreadable weights are an error with the folder to remove; without a checkpoint the result is None."""
    assert load_state(tmp_path) is None
    save_state(tmp_path, 3, State({}, values_of(3, None)), keep=1)
    (tmp_path / "checkpoints" / "step-00000003" / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match=r"step-00000003: damaged checkpoint: .*; remove this folder"):
        load_state(tmp_path)
