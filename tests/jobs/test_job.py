"""Jobs: tasks run once, resumed and finished in the folder of a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wpprep.config import RunOptions
from wpprep.errors import CorpusError, OutputError
from wpprep.jobs.job import Job
from wpprep.jobs.plans import Plan, Receipt, entry_of, files_in
from wpprep.storage.manifest import Manifest, describe, read_manifest

PLAN: Plan = {"options": {"seed": 1}, "vocabulary": None, "corpus": "abc"}
TASKS = {f"part-{i}": i for i in range(4)}
SIZES = dict.fromkeys(TASKS, 10)


def make_write(folder: Path, broken: int = -1) -> Callable[[], Callable[[int], Receipt]]:
    """A task writes its number to its file; one may be broken."""

    def make() -> Callable[[int], Receipt]:
        def write(task: int) -> Receipt:
            if task == broken:
                raise CorpusError("corpus.txt: broken")
            path = folder / f"part-{task}"
            path.write_text(str(task))
            with open(folder.parent / "log", "a") as log:
                log.write(f"{task} ")
            return {"shard": entry_of(describe(path, folder))}

        return write

    return make


def begin(tmp_path: Path, progress: Callable[[str, int, int], None] | None = None) -> Job:
    """A job of the plan in the folder ``out``."""
    return Job.begin(tmp_path / "out", "text", PLAN, RunOptions(workers=1), progress)


def test_a_job_runs_its_tasks_and_finishes(tmp_path: Path) -> None:
    """Progress goes from nothing to the total; the same job again does nothing."""
    said: list[tuple[str, int, int]] = []
    with begin(tmp_path, lambda *progress: said.append(progress)) as job:
        receipts = job.run_tasks("write", make_write(job.path), TASKS, SIZES)
        job.elect()
        job.finish(
            Manifest(kind="text", options=PLAN["options"], files=files_in(receipts), corpus={"identity": "abc"})
        )
    assert said == [("write", done, 40) for done in (0, 10, 20, 30, 40)]
    assert job.summary("extract", 0.0).manifest == read_manifest(tmp_path / "out", "text")
    with begin(tmp_path) as again:
        assert again.is_finished
    assert (tmp_path / "log").read_text() == "0 1 2 3 "


def test_a_job_that_failed_is_resumed(tmp_path: Path) -> None:
    """Tasks that were finished before an error are not run again, and count as progress."""
    with pytest.raises(CorpusError), begin(tmp_path) as job:
        job.run_tasks("write", make_write(job.path, broken=2), TASKS, SIZES)
    said: list[int] = []
    with begin(tmp_path, lambda stage, done, total: said.append(done)) as job:
        receipts = job.run_tasks("write", make_write(job.path), TASKS, SIZES)
        assert [receipt["shard"]["name"] for receipt in receipts] == list(TASKS)
    assert said == [20, 30, 40]
    assert (tmp_path / "log").read_text() == "0 1 2 3 "


def test_a_job_inside_is_never_replaced(tmp_path: Path) -> None:
    """A part of the work has its own folder, and overwriting the whole does not replace another plan's part."""
    with Job.begin(tmp_path / "in", "tokens", PLAN, RunOptions(workers=1)) as part:
        part.run_tasks("write", make_write(part.path), TASKS, SIZES)
    with Job.begin(tmp_path / "out", "text", PLAN, RunOptions(workers=1, overwrite=True)) as job:
        with pytest.raises(OutputError, match=r"options\.seed 1 instead of 2"):
            job.inner(tmp_path / "in", "tokens", {**PLAN, "options": {"seed": 2}})
        with job.inner(tmp_path / "in", "tokens", PLAN) as inner:
            assert not inner.is_finished
            assert (inner.path / "part-3").read_text() == "3"
