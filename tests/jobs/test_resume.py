"""Running tasks: a worker must see the output folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from wpprep.config import RunOptions
from wpprep.errors import OutputError
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan, Receipt
from wpprep.jobs.resume import run_tasks
from wpprep.storage.files import remove_folder


def receive(task: int) -> Receipt:
    """A task that writes no file."""
    return {"statistics": {"task": task}}


def claim(path: Path) -> OutputFolder:
    """Claim a folder for a plan of text."""
    plan: Plan = {"kind": "text", "options": {}, "vocabulary": None, "corpus": "c"}
    return OutputFolder.claim(path, plan, overwrite=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_receipts_are_in_the_order_of_the_tasks(tmp_path: Path, workers: int) -> None:
    """Tasks without files are recorded too; all receipts are there when the last task has ended."""
    tasks = {f"task-{i}": i for i in range(5)}
    with claim(tmp_path / "out") as folder:
        run = RunOptions(workers=workers)
        receipts = run_tasks(
            "count", lambda: receive, tasks, dict.fromkeys(tasks, 1), folder, run, lambda *_: None
        )
        assert [receipt["statistics"]["task"] for receipt in receipts] == list(range(5))


def test_a_worker_without_the_folder_is_an_error(tmp_path: Path) -> None:
    """The message names the folder and the machine, before any task is run."""
    message = r"out: not visible from .*a folder that all workers share"
    with pytest.raises(OutputError, match=message), claim(tmp_path / "out") as folder:
        remove_folder(tmp_path / "out")
        run_tasks("count", lambda: receive, {"a": 1}, {"a": 1}, folder, RunOptions(workers=1), print)
