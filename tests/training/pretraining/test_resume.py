"""Stopping and resuming the trainer: signals, kills, losses that are no number, folders in use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.counting import make_folder
from support.training import QUICK, dynamic, figures, interrupted, one_thread, shards

from wpprep.config import TrainOptions
from wpprep.errors import OutputError, TrainingError
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.training.model import model as model_room
from wpprep.training.model.model import score
from wpprep.training.model.optimizer import Updates
from wpprep.training.pretraining.checkpoint import State, load_best, load_state, save_best, save_state
from wpprep.training.pretraining.pretrain import train
from wpprep.training.pretraining.progress import Progress

__all__ = ["dynamic", "one_thread", "shards"]


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path: Path, masking: str, request: Any) -> None:
    """SIGTERM, then SIGINT, then to the end: weights and every figure equal those of a run never stopped."""
    folder = make_folder(tmp_path / "shards", rows=(60, 80), masking=masking)[0]
    options = {**QUICK, "steps": 14, "log_steps": 3, "save_steps": 5, "eval_steps": 7}
    whole = train(folder, tmp_path / "whole", **options)
    interrupted(folder, tmp_path / "parts", signal.SIGTERM, 3, **options)
    assert not (tmp_path / "parts" / "manifest.json").exists()
    interrupted(folder, tmp_path / "parts", signal.SIGINT, 9, **options)
    parts = train(folder, tmp_path / "parts", **options)
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (
        tmp_path / "parts" / "model.safetensors"
    ).read_bytes()
    assert whole.after == parts.after
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")


def test_a_killed_run_loses_only_the_steps_since_its_checkpoint(shards: Path, tmp_path: Path) -> None:
    """After a crash between checkpoints the same call ends with the same figures, half-made folders gone."""
    options = {**QUICK, "steps": 9, "save_steps": 4, "log_steps": 1}
    train(shards, tmp_path / "whole", **options)

    def crash(line: Any) -> None:
        if isinstance(line, Progress) and line.step == 7:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(shards, tmp_path / "parts", progress=crash, **options)
    (tmp_path / "parts" / "checkpoints" / ".step-00000008.partial-1").mkdir()
    state = load_state(tmp_path / "parts")
    assert state is not None
    assert state.values["step"] == 4
    train(shards, tmp_path / "parts", **options)
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == sorted(
        p.name for p in (tmp_path / "parts").iterdir()
    )


@pytest.mark.parametrize(("factor", "said"), [("nan", "or its gradient is not finite"), ("1e3", "exploded to")])
def test_a_bad_loss_stops_with_its_rows(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: str, said: str
) -> None:
    """The step is named and where its rows lie, by shard; the last good checkpoint stays."""
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


def test_a_gradient_that_is_no_number_stops(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the loss is finite and its gradient is not, the step that would ruin the weights is named."""
    apply = Updates.apply

    def ruined(self: Updates, step: int) -> Any:
        norm = apply(self, step)
        return norm * float("inf") if step == 1 else norm

    monkeypatch.setattr(Updates, "apply", ruined)
    with pytest.raises(TrainingError, match="step 2: the loss or its gradient is not finite"):
        train(shards, tmp_path / "out", **QUICK, steps=4)


def test_an_output_folder_in_use_is_refused(shards: Path, tmp_path: Path) -> None:
    """Other things, another run and a finished model are never buried unasked; other things not even then."""
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
    with pytest.raises(OutputError, match="finished model"):
        train(shards, out, **QUICK, steps=4)
    assert train(shards, out, **QUICK, steps=2, overwrite=True).steps == 2


@pytest.mark.slow
def test_twenty_kills_change_nothing(dynamic: Path, tmp_path: Path) -> None:
    """A run killed twenty times by SIGKILL ends with the bits and figures of one never killed."""
    options = {**QUICK, "steps": 60, "save_steps": 2, "log_steps": 1, "eval_steps": 20}
    train(dynamic, tmp_path / "whole", **options)
    out = tmp_path / "parts"
    for kill in range(1, 21):
        code = (
            "import os, signal, torch; torch.set_num_threads(1)\n"
            "from wpprep import train\n"
            f"end = lambda line: line.step >= {3 * kill - 2} and os.kill(os.getpid(), signal.SIGKILL)\n"
            f"train({str(dynamic)!r}, {str(out)!r}, progress=end, **{options!r})"
        )
        ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not (out / "manifest.json").exists()
    train(dynamic, out, **options)
    whole, parts = tmp_path / "whole" / "model.safetensors", out / "model.safetensors"
    assert whole.read_bytes() == parts.read_bytes()
    assert figures(tmp_path / "whole") == figures(out)


def test_best_weights_of_steps_that_were_lost_are_not_taken(tmp_path: Path) -> None:
    """Best at step 1, a checkpoint, best at step 2, a kill: those of step 1 are the best again."""

    def weights(value: float) -> dict[str, Any]:
        return {"weight": torch.full((2,), value)}

    save_best(tmp_path, 1, weights(1.0))
    save_state(tmp_path, 1, State({}, {"best": 1}), keep=1)
    save_best(tmp_path, 2, weights(2.0))
    state = load_state(tmp_path)
    assert state is not None
    assert load_best(tmp_path, state.values["best"])["weight"].tolist() == [1.0, 1.0]
    save_best(tmp_path, 3, weights(3.0))
    save_state(tmp_path, 3, State({}, {"best": 3}), keep=1)
    assert [path.name for path in tmp_path.rglob("best-*")] == ["best-00000003.safetensors"]
