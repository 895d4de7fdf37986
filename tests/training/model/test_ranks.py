"""Parts of a step, several processes, compiling: none of it changes what is learned."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.training import QUICK, interrupted, losses, torch

from wpprep.errors import OptionError
from wpprep.storage.manifest import find_damage
from wpprep.training.model import ranks
from wpprep.training.pretraining.pretrain import train

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


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_ranks(shards: Path, out: Path, world: int, options: dict[str, Any]) -> list[tuple[int, str]]:
    """Train with several processes, as torchrun starts them; return exit code and output of each."""
    port = free_port()
    code = (
        "import torch; torch.set_num_threads(1)\n"
        f"from wpprep import train; train({str(shards)!r}, {str(out)!r}, **{options!r})"
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
    """Two CPU processes resume the run of one, and have the losses of an uninterrupted run."""
    out = tmp_path / "out"
    interrupted(shards, out, signal.SIGTERM, 2, **SAME)
    ended = start_ranks(shards, out, 2, {**SAME, "log_steps": 1})
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(losses(out)) == 12
    assert losses(out) == pytest.approx(losses(alone), rel=1e-4)
    assert losses(out, "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)
    assert find_damage(out) == []


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(shards: Path, alone: Path, tmp_path: Path) -> None:
    """Compiling changes the losses by rounding only (a minute of compiling)."""
    train(shards, tmp_path / "out", **SAME, compile=True)
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-3)


LAUNCHERS = {
    "torchrun": "torch.distributed.run --no-python --nproc-per-node 2 --master-port",
    "accelerate": "accelerate.commands.launch --no_python --multi_gpu --num_processes 2 --num_machines 1"
    " --mixed_precision no --dynamo_backend no --main_process_port",
}


def launch(launcher: str, shards: Path, out: Path, options: dict[str, Any]) -> subprocess.Popen[str]:
    """Start `wpprep train` on two processes, as the README says to (each launcher is a module's command)."""
    named = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    train_it = [str(Path(sys.executable).with_name("wpprep")), "train", str(shards), "--out", str(out), *named]
    return subprocess.Popen(
        [sys.executable, "-m", *LAUNCHERS[launcher].split(), str(free_port()), *train_it],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers_train_as_one_process(launcher: str, shards: Path, alone: Path, tmp_path: Path) -> None:
    """Two processes started by torchrun or by accelerate have the losses of one, within float noise."""
    started = launch(launcher, shards, tmp_path / "out", SAME)
    said = started.communicate(timeout=300)[0]
    assert started.returncode == 0, said
    assert said.count("held out at step 6") == 1
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-4)
    assert losses(tmp_path / "out", "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)


@pytest.mark.slow
def test_two_processes_stopped_go_on_as_one(shards: Path, tmp_path: Path) -> None:
    """After SIGTERM to torchrun, one process resumes the run of two, and has the losses of a run of one."""
    options = {**SAME, "steps": 60, "eval_steps": 30}
    train(shards, tmp_path / "alone", **options)
    out = tmp_path / "out"
    started = launch("torchrun", shards, out, options)
    until = time.monotonic() + 200
    while not (out / "checkpoints" / "step-00000003").exists() and time.monotonic() < until:
        time.sleep(0.005)
    started.send_signal(signal.SIGTERM)
    said = started.communicate(timeout=100)[0]
    assert not (out / "manifest.json").exists(), said
    train(shards, out, **options)
    assert losses(out) == pytest.approx(losses(tmp_path / "alone"), rel=1e-3)
    assert losses(out, "held_out") == pytest.approx(losses(tmp_path / "alone", "held_out"), rel=1e-3)


def test_threads_do_not_exceed_the_usable_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota below torch's number of threads lowers it, unless the user has set OMP_NUM_THREADS."""
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    for cpus, environment, wanted in (
        (2, {}, [2]),
        (8, {}, []),
        (16, {}, []),
        (2, {"OMP_NUM_THREADS": "8"}, []),
    ):
        chosen.clear()
        monkeypatch.setattr(ranks, "usable_cpus", lambda cpus=cpus: cpus)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        ranks.limit_threads.cache_clear()
        ranks.limit_threads()
        assert chosen == wanted


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_waiting_threads_sleep_unless_the_user_chose(given: str | None) -> None:
    """The policy is in the environment before torch is loaded; a value of the user's stays."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import os, sys, wpprep.training; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment | ({} if given is None else {"OMP_WAIT_POLICY": given}),
    ).stdout
    assert said == f"{given or 'PASSIVE'} False\n"
