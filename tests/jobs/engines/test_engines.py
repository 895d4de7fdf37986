"""Engines: the same results from any number of workers, and loud deaths."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wpprep.config import RunOptions
from wpprep.errors import CorpusError, WorkerError
from wpprep.jobs import engines


def make_square(delay: float = 0.0) -> Callable[[int], int]:
    """Squares a task; some take longer."""

    def square(task: int) -> int:
        time.sleep(delay * (task % 3))
        return task * task

    return square


def make_failing() -> Callable[[int], int]:
    """Raises an error of a corpus in task 2."""

    def fail(task: int) -> int:
        if task == 2:
            raise CorpusError("file.txt: byte 7: broken")
        return task

    return fail


def make_dying() -> Callable[[int], int]:
    """Kills its process in task 2."""

    def die(task: int) -> int:
        if task == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return die


def make_counting() -> Callable[[int], int]:
    """Counts the tasks that one function has run."""
    seen: list[int] = []

    def count(task: int) -> int:
        seen.append(task)
        return len(seen)

    return count


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_is_done_once(workers: int) -> None:
    """Results come in any order, each with the index of its task."""
    results = dict(
        engines.run(functools.partial(make_square, 0.002), list(range(10)), RunOptions(workers=workers))
    )
    assert results == {i: i * i for i in range(10)}


def test_no_tasks_no_results() -> None:
    """Nothing to do is done at once."""
    assert list(engines.run(make_square, [], RunOptions(workers=2))) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_task_is_raised_here(workers: int) -> None:
    """The caller gets the exception itself."""
    with pytest.raises(CorpusError, match=r"file\.txt: byte 7: broken"):
        list(engines.run(make_failing, [0, 1, 2, 3], RunOptions(workers=workers)))


def test_a_killed_worker_is_an_error_and_not_a_hang() -> None:
    """A worker that the system kills is reported with the signal and a hint."""
    with pytest.raises(WorkerError, match="SIGKILL.*out of memory"):
        list(engines.run(make_dying, [0, 1, 2, 3], RunOptions(workers=2)))


def test_the_function_is_made_once_per_worker() -> None:
    """Expensive objects are built once: a worker's second task runs the same function as its first."""
    results = [result for _, result in engines.run(make_counting, list(range(6)), RunOptions(workers=2))]
    assert max(results) > 1
    assert results.count(1) <= 2


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """After a SIGKILL of the parent its workers end."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from wpprep.jobs import engines\nfrom wpprep.config import RunOptions\n"
        "def make():\n"
        "    def work(task):\n"
        "        open(f'{sys.argv[1]}/{os.getpid()}', 'w').close()\n"
        "        time.sleep(0.2)\n"
        "    return work\n"
        "list(engines.run(make, list(range(1000)), RunOptions(workers=2)))\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(pids)])
    wait_until(lambda: len(list(pids.iterdir())) == 2)
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in pids.iterdir()]
    wait_until(lambda: not any(is_alive(pid) for pid in workers))


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def make_stopping() -> Callable[[int], int]:
    """Stops its process in task 1, as a debugger or a shell does."""

    def stop(task: int) -> int:
        if task == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        return task

    return stop


def test_a_stopped_worker_does_not_keep_the_run_from_ending() -> None:
    """A worker that cannot react to SIGTERM is killed, so that the parent ends within seconds."""
    results = engines.run(make_stopping, [0, 1, 2, 3], RunOptions(workers=2))
    assert next(results)[0] in {0, 2}
    results.close()  # type: ignore[attr-defined]
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True, text=True, check=False
    )
    assert "T" not in children.stdout
