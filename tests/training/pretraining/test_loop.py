"""The training loop: signals, kills and resuming, and the weights that are kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_folder
from support.training import QUICK, dynamic, figures, interrupted, shards

from wpprep.training.pretraining.checkpoint import load_state
from wpprep.training.pretraining.pretrain import train
from wpprep.training.pretraining.progress import Progress

__all__ = ["dynamic", "shards"]


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path: Path, masking: str, request: Any) -> None:
    """After SIGTERM and SIGINT, the weights and metrics equal those of an uninterrupted run."""
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
    """After a crash between checkpoints the same call gives the same metrics and removes partial folders."""
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


@pytest.mark.slow
def test_twenty_kills_change_nothing(dynamic: Path, tmp_path: Path) -> None:
    """A run killed twenty times by SIGKILL ends with the bits and metrics of an uninterrupted run."""
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


def test_the_best_weights_are_kept(dynamic: Path, tmp_path: Path) -> None:
    """With a rate that ruins the model, `final_weights best` exports the weights from before the ruin."""
    options = {**QUICK, "steps": 4, "eval_steps": 1, "warmup_steps": 3, "learning_rate": 0.1, "save_steps": 0}
    result = train(dynamic, tmp_path / "out", **options, final_weights="best")
    assert result.best is not None
    assert result.after is not None
    assert result.best.mlm_loss < result.after.mlm_loss
    again = train(dynamic, tmp_path / "again", **QUICK, steps=1, init_from=str(tmp_path / "out"))
    assert again.before is not None
    assert again.before.mlm_loss == pytest.approx(result.best.mlm_loss, rel=1e-4)
