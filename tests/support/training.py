"""Helpers of the trainer's tests: quick settings, shards, runs that are interrupted, and their metrics."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.counting import make_folder
from wpprep.training.pretraining.progress import Evaluation, Progress

torch = pytest.importorskip("torch", reason="training is an extra: pip install 'wpprep[train]'")
pytest.importorskip("transformers", reason="training is an extra: pip install 'wpprep[train]'")

from wpprep.training.pretraining.pretrain import TrainSummary, train  # noqa: E402

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"size": "tiny", "batch_size": 8, "eval_rows": 6, "log_steps": 2, "learning_rate": 1e-3}


class Trained(NamedTuple):
    """A finished run.

    Attributes:
        folder: the model's folder.
        result: the result of `train`.
        before, after: its first and last evaluation.
        lines: the lines reported.
    """

    folder: Path
    result: TrainSummary
    before: Evaluation
    after: Evaluation
    lines: list[Progress | Evaluation]


def train_language(root: Path) -> Trained:
    """Train a tiny model on the language in which word n + 1 follows word n: `dynamic`'s shards."""
    lines: list[Progress | Evaluation] = []
    options: dict[str, Any] = {"size": "tiny", "steps": 250, "batch_size": 32, "log_steps": 50}
    result = train(
        language(root / "shards"),
        root / "model",
        **options,
        learning_rate=2e-3,
        dropout=0.0,
        progress=lines.append,
    )
    assert result.before is not None
    assert result.after is not None
    return Trained(root / "model", result, result.before, result.after, lines)


def language(folder: Path) -> Path:
    """Two shards of 640 short rows without masks."""
    return make_folder(folder, rows=(300, 340), longest=16, masking="dynamic")[0]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 140 masked rows."""
    return make_folder(tmp_path_factory.mktemp("static") / "shards", rows=(60, 80))[0]


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 640 short rows without masks."""
    return language(tmp_path_factory.mktemp("dynamic") / "shards")


def interrupted(shards: Path | list[Path], out: Path, number: int, at: int, **options: Any) -> list[Any]:
    """Train until a signal at the progress line of a step; return the lines until then."""
    lines: list[Any] = []

    def watch(line: Any) -> None:
        lines.append(line)
        if isinstance(line, Progress) and line.step == at:
            os.kill(os.getpid(), number)

    with pytest.raises((KeyboardInterrupt, SystemExit)) as stopped:
        train(shards, out, progress=watch, **options)
    if number == signal.SIGTERM:
        assert isinstance(stopped.value, SystemExit)
        assert stopped.value.code == 143
    return lines


def figures(out: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl without the speed."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


def losses(out: Path, kind: str = "train") -> list[float]:
    """Return the MLM and NSP losses of metrics.jsonl."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if line["kind"] == kind for name in ("mlm_loss", "nsp_loss")]


def report(step: int, kind: str = "train") -> dict[str, Any]:
    """Return a report as the trainer writes them; integers and None are not scalars of TensorBoard."""
    metrics = {"mlm_loss": 9.0 - step / 1000, "mlm_accuracy": step / 1e4, "nsp_loss": None, "rows": 8}
    return {"kind": kind, "step": step, **metrics}
