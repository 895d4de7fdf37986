"""Parts of a step, several processes, compiling: none of it changes what is learned."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counting import make_folder
from training import QUICK, interrupted, losses, one_thread

from wpprep.errors import OptionError
from wpprep.manifest import verify
from wpprep.train import train

__all__ = ["one_thread"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("static") / "shards", rows=(60, 80))[0]


SAME = {**QUICK, "steps": 6, "log_steps": 1, "dropout": 0.0, "save_steps": 3}


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process, without dropout, its losses written down at every step."""
    out = tmp_path_factory.mktemp("alone") / "model"
    train(shards, out, **SAME)
    return out


def test_parts_of_a_step_add_up(shards: Path, alone: Path, tmp_path: Path) -> None:
    """With four parts a step, the losses are those of one part within float noise."""
    train(shards, tmp_path / "out", **SAME, grad_accumulation=4)
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-4)
    assert losses(tmp_path / "out", "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)
    with pytest.raises(OptionError, match="multiple of 3"):
        train(shards, tmp_path / "other", **SAME, grad_accumulation=3)


def start_ranks(shards: Path, out: Path, world: int, options: dict[str, Any]) -> list[tuple[int, str]]:
    """Train with several processes, as torchrun would start them; exit code and output of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import torch; torch.set_num_threads(1)\n"
        f"from wpprep.train import train; train({str(shards)!r}, {str(out)!r}, **{options!r})"
    )
    place = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    said = [rank.communicate(timeout=120)[0] for rank in ranks]
    return [(rank.returncode, text) for rank, text in zip(ranks, said, strict=True)]


def test_two_processes_train_as_one(shards: Path, alone: Path, tmp_path: Path) -> None:
    """Two CPU processes go on where one was stopped, and have the losses it would have had."""
    out = tmp_path / "out"
    interrupted(shards, out, signal.SIGTERM, 2, **SAME)
    ended = start_ranks(shards, out, 2, {**SAME, "log_steps": 1})
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(losses(out)) == 12
    assert losses(out) == pytest.approx(losses(alone), rel=1e-4)
    assert losses(out, "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)
    assert verify(out) == []


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(shards: Path, alone: Path, tmp_path: Path) -> None:
    """Compiling changes the losses by rounding only (a minute of compiling)."""
    train(shards, tmp_path / "out", **SAME, compile=True)
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-3)
