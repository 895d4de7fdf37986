"""What the tests of the trainer share: quick settings, runs that are interrupted, and their figures."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.counting import make_folder
from wpprep.training.pretraining.progress import Progress

torch = pytest.importorskip("torch", reason="training is an extra: pip install 'wpprep[train]'")
pytest.importorskip("transformers", reason="training is an extra: pip install 'wpprep[train]'")

from wpprep.training.pretraining.pretrain import train  # noqa: E402

CPU = torch.device("cpu")
QUICK = {"size": "tiny", "batch_size": 8, "eval_rows": 6, "log_steps": 2, "learning_rate": 1e-3}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    """Bits repeat on one thread, and these models are too small for more; on wherever it is imported."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 140 masked rows."""
    return make_folder(tmp_path_factory.mktemp("static") / "shards", rows=(60, 80))[0]


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of 640 short rows without masks."""
    return make_folder(
        tmp_path_factory.mktemp("dynamic") / "shards", rows=(300, 340), longest=16, masking="dynamic"
    )[0]


def interrupted(shards: Path, out: Path, number: int, at: int, **options: Any) -> list[Any]:
    """Train until a signal comes at the progress line of a step; the lines until then."""
    lines: list[Any] = []

    def watch(line: Any) -> None:
        lines.append(line)
        if isinstance(line, Progress) and line.step == at:
            os.kill(os.getpid(), number)

    with pytest.raises((KeyboardInterrupt, SystemExit)) as stopped:
        train(shards, out, progress=watch, **options)
    if number == signal.SIGTERM:
        assert stopped.value.code == 143
    return lines


def figures(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


def losses(out: Path, kind: str = "train") -> list[float]:
    """The MLM and NSP losses of metrics.jsonl."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if line["kind"] == kind for name in ("mlm_loss", "nsp_loss")]
